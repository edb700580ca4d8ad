#include "textflag.h"

// func Word(at *uint64, word uint64)
// Stores are seen in their order.
TEXT ·Word(SB), NOSPLIT, $0-16
	MOVQ at+0(FP), AX
	MOVQ word+8(FP), BX
	MOVQ BX, (AX)
	RET

// func Ahead(from, until uintptr)
TEXT ·Ahead(SB), NOSPLIT, $0-16
	MOVQ from+0(FP), AX
	MOVQ until+8(FP), BX
	JMP  more
next:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX), which old processors pass over
	ADDQ $64, AX
more:
	CMPQ AX, BX
	JCS  next
	RET
