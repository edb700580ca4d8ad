#!/bin/sh
# A stub of journalctl: prints the entries in the file $JOURNAL, which journalctl --output=json printed once, from the
# asked one on, and those that are appended to it if it is to follow.
from=1
follow=
for argument in "$@"; do
    case "$argument" in
    --follow) follow=-f ;;
    --cursor=*) from=$(grep -n -F -m 1 "\"__CURSOR\":\"${argument#--cursor=}\"" "$JOURNAL" | cut -d : -f 1) ;;
    esac
done
exec tail -n "+${from:-1}" $follow "$JOURNAL"
