#include "textflag.h"

// func Word(at *uint64, word uint64)
TEXT ·Word(SB), NOSPLIT, $0-16
	MOVD at+0(FP), R0
	MOVD word+8(FP), R1
	STLR R1, (R0)
	RET

// func Ahead(from, until uintptr)
TEXT ·Ahead(SB), NOSPLIT, $0-16
	MOVD from+0(FP), R0
	MOVD until+8(FP), R1
	B    more
next:
	PRFM (R0), PSTL1KEEP
	ADD  $64, R0
more:
	CMP  R1, R0
	BLO  next
	RET
