//! The rules of Landlock, on Linux 5.13 and later. What an older kernel lacks is left out.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};

use super::Needs;

/// The newest interface of the kernel whose rights are named here.
const KNOWN: ABI = ABI::V6;

/// Gives up everything but these needs, and files in the folder for `temporary` ones: standard
/// input is kept there while it is read, and what ssh-keygen checks.
///
/// # Errors
/// The kernel has Landlock and refuses the rules.
pub(super) fn restrict(
    needs: &Needs<'_>,
    temporary: &Path,
) -> Result<RestrictionStatus, RulesetError> {
    let mut read = AccessFs::ReadFile | AccessFs::ReadDir;
    if needs.programs {
        read |= AccessFs::Execute;
    }
    let written = needs.output.map(folder_of);
    let mut folders = written.into_iter().chain([temporary.to_owned()]);
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?;
    let all = AccessFs::from_all(KNOWN) & !AccessFs::Execute;
    let rules = rules.create()?.add_rules(beneath(Path::new("/"), read))?;
    let rules = folders.try_fold(rules, |rules, folder| {
        rules.add_rules(beneath(&folder, all))
    })?;
    // A program that is started opens it in the place of what it is not given.
    let nothing = AccessFs::ReadFile | AccessFs::WriteFile;
    let rules = rules.add_rules(beneath(Path::new("/dev/null"), nothing))?;
    rules.restrict_self()
}

/// The rule for what is beneath a folder. None for a folder that cannot be opened: creating a
/// file there tells why.
fn beneath(
    folder: &Path,
    access: BitFlags<AccessFs>,
) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    let opened = PathFd::new(folder).ok();
    opened
        .map(|folder| Ok(PathBeneath::new(folder, access)))
        .into_iter()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Error, ErrorKind};
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use landlock::RulesetStatus;

    use super::*;

    /// Acts in a thread of its own, which is bound for good, and tells how far it is bound. Does
    /// nothing where the kernel has no Landlock.
    fn confined(needs: &Needs<'_>, temporary: &Path, act: impl FnOnce(RulesetStatus) + Send) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(
                || match restrict(needs, temporary).expect("rules").ruleset {
                    RulesetStatus::NotEnforced => {
                        assert!(std::env::var_os("CI").is_none(), "no Landlock");
                    }
                    status => act(status),
                },
            );
            thread.join().expect("it ends");
        });
    }

    #[test]
    fn a_confined_thread_reads_and_does_nothing_else() {
        let [folder, other] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let [known, new] = ["known", "new"].map(|name| folder.path().join(name));
        let temporary = other.path();
        fs::write(&known, "text").expect("a file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address");
        confined(&Needs::default(), temporary, |status| {
            assert_eq!(fs::read_to_string(&known).expect("readable"), "text");
            let mut errors = vec![
                File::create(&new).err(),
                File::options().append(true).open(&known).err(),
                fs::remove_file(&known).err(),
                Command::new("/bin/true").status().err(),
            ];
            if status == RulesetStatus::FullyEnforced {
                errors.push(TcpStream::connect(port).err());
                errors.push(TcpListener::bind("127.0.0.1:0").err());
            }
            let refused = |error: &Option<Error>| {
                let kind = error.as_ref().map(Error::kind);
                kind == Some(ErrorKind::PermissionDenied)
            };
            assert!(errors.iter().all(refused), "{errors:?}");
            tempfile::tempfile_in(temporary).expect("a file of its own");
        });
        let needs = Needs {
            output: Some(&new),
            programs: true,
        };
        confined(&needs, temporary, |_| {
            fs::write(&new, "text").expect("the output");
            let mut command = Command::new("/bin/true");
            let command = command.stdin(std::process::Stdio::null());
            assert!(command.status().expect("it runs").success());
        });
        File::create(&new).expect("the process is not bound");
    }
}
