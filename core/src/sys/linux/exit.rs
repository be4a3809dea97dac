//! A place on the stack where a thread goes on that the C library is ending. Only glibc on x86-64 unwinds the stack and has it
//! here; elsewhere nothing is done about it.

use std::ffi::{c_int, c_void};

/// PTHREAD_CANCEL_DISABLE, which the crate does not have.
pub(in crate::sys) const DISABLE: c_int = 1;

/// What is to be called.
type Run = extern "C-unwind" fn(*mut c_void);

/// `__pthread_unwind_buf_t` of pthread.h, and more: registers of where to go on, and a link to the place before.
#[repr(C, align(16))]
pub(in crate::sys) struct Buffer([u64; 16]);

impl Buffer {
    pub(in crate::sys) fn new() -> Self {
        Buffer([0; 16])
    }
}

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
extern "C" {
    /// What pthread_cleanup_push of pthread.h is made of, for C.
    fn __sigsetjmp(registers: *mut c_void, with_signals: c_int) -> c_int;
    fn __pthread_register_cancel(buffer: *mut c_void);
    fn __pthread_unregister_cancel(buffer: *mut c_void);
}

/// Calls `run` with `data`, and says 0; or 1 if the thread was ended there, whose stack is as before the call then. The C
/// library unwinds frame by frame until it comes to the stack pointer that was remembered. So that is `depth` bytes further
/// down: frames between there and here are left out.
///
/// # Safety
/// `buffer` outlives the call. `depth` is a multiple of 16, and so much of the stack is left. `run` does not unwind, but for the
/// thread's end.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
#[unsafe(naked)]
pub(in crate::sys) unsafe extern "C" fn run_guarded(
    run: Run,
    data: *mut c_void,
    buffer: &mut Buffer,
    depth: usize,
) -> c_int {
    std::arch::naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "mov rbx, rdi",
        "mov r12, rsi",
        "mov r13, rdx",
        "mov r14, rcx",
        // It returns a second time when the thread is ended, with these registers as they are here.
        "sub rsp, r14",
        "mov rdi, r13",
        "xor esi, esi",
        "call {sigsetjmp}",
        "add rsp, r14",
        "test eax, eax",
        "jne 2f",
        "mov rdi, r13",
        "call {register}",
        "mov rdi, r12",
        "call rbx",
        "xor r14d, r14d",
        "jmp 3f",
        "2:",
        "mov r14d, 1",
        "3:",
        "mov rdi, r13",
        "call {unregister}",
        "mov eax, r14d",
        "lea rsp, [rbp - 32]",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        sigsetjmp = sym __sigsetjmp,
        register = sym __pthread_register_cancel,
        unregister = sym __pthread_unregister_cancel,
    )
}

/// Calls `run` with `data`, and says 0.
///
/// # Safety
/// None is needed here.
#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
pub(in crate::sys) unsafe extern "C" fn run_guarded(
    run: Run,
    data: *mut c_void,
    _: &mut Buffer,
    _: usize,
) -> c_int {
    run(data);
    0
}
