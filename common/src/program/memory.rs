//! What becomes of memory that was given back.

#![expect(unsafe_code, reason = "the settings of the C library's heap have no safe call")]

/// All threads take from one heap, and what is free at its end goes back to the kernel: to be called before the first thread
/// starts. Programs that wait nearly all the time gain nothing from a heap for each thread, and lists of ten thousand objects
/// leave each of them full of holes.
pub fn use_one_heap() {
    #[cfg(target_env = "gnu")]
    {
        /// Bytes that may stay free at the end of the heap.
        const SPARE: libc::c_int = 64 << 10;
        // SAFETY: it sets a number in the C library, under a lock of its own.
        let one_heap = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        // SAFETY: as above.
        let gives_back = unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, SPARE) };
        // Without them the program needs more memory and is right all the same.
        let _ = (one_heap, gives_back);
    }
}

/// Gives the kernel every page of the heap that nothing is on: what a large list left between what stays. Takes time by what
/// is free (under a millisecond for 10 MiB), and no thread gets memory meanwhile: for moments in which nothing is urgent.
pub fn give_back_free_memory() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it looks at free memory only, under the lock that every allocation takes.
        let gave_any = unsafe { libc::malloc_trim(0) };
        let _ = gave_any;
    }
}
