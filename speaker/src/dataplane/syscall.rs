//! Three commands of bpf(2). Two aya has only together with more: the order at a tcx hook, for which it opens every program there
//! (that takes CAP_SYS_ADMIN), and a pin as a plain descriptor, whatever object it names. One it has not: many entries of a map at once.

#![expect(unsafe_code, reason = "bpf(2) takes a pointer to its arguments")]

use std::{
    ffi::CString,
    io,
    os::{
        fd::{FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

/// Commands (`enum bpf_cmd`) and the hook (`enum bpf_attach_type`).
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_MAP_LOOKUP_BATCH: libc::c_int = 24;
const BPF_TCX_INGRESS: u32 = 46;
/// Programs that a hook takes (`BPF_MPROG_MAX`).
const HOOK: u32 = 64;

/// A program at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hooked {
    /// Id of the program.
    pub(super) program: u32,
    /// Id of the link that holds it there; 0 for one that was attached without.
    pub(super) link: u32,
}

/// The member `query` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    reserved: u32,
    program_flags: u64,
    links: u64,
    link_flags: u64,
    revision: u64,
}

/// The member `batch` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
pub(super) struct Batch {
    /// Where to begin; 0: at the beginning.
    pub(super) in_batch: u64,
    /// Where the kernel writes where to go on.
    pub(super) out_batch: u64,
    pub(super) keys: u64,
    pub(super) values: u64,
    /// Entries that there is room for; afterwards, those that were written.
    pub(super) count: u32,
    pub(super) map: u32,
    pub(super) element_flags: u64,
    pub(super) flags: u64,
}

/// The member of `union bpf_attr` that `BPF_OBJ_GET` reads.
#[repr(C)]
struct Pin {
    path: u64,
    reserved: u32,
    flags: u32,
}

/// The programs at the tcx ingress hook of an interface, in the order in which they run.
///
/// # Errors
/// Without CAP_NET_ADMIN, without the interface, without the hook.
pub(super) fn tcx_ingress(ifindex: u32) -> io::Result<Vec<Hooked>> {
    let (mut programs, mut links) = ([0_u32; HOOK as usize], [0_u32; HOOK as usize]);
    let mut query = Query {
        target: ifindex,
        attach_type: BPF_TCX_INGRESS,
        programs: address(programs.as_mut_ptr()),
        links: address(links.as_mut_ptr()),
        count: HOOK,
        ..Query::default()
    };
    // SAFETY: the argument is as the command wants it; both addresses are those of arrays of `count` numbers, which live
    // until the call has returned and which nothing else reaches meanwhile.
    unsafe { bpf(BPF_PROG_QUERY, &mut query) }?;
    let both = programs.into_iter().zip(links).take(HOOK.min(query.count) as usize);
    Ok(both.map(|(program, link)| Hooked { program, link }).collect())
}

/// Opens what is pinned there: a map, a program or a link.
///
/// # Errors
/// There is nothing, it may not be opened, or the process has no descriptors left.
pub(super) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut pin = Pin { path: address(path.as_ptr().cast_mut()), reserved: 0, flags: 0 };
    // SAFETY: the argument is as the command wants it; the path ends with a zero and lives until the call has returned.
    let descriptor = unsafe { bpf(BPF_OBJ_GET, &mut pin) }?;
    let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel made this descriptor for us just now; nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Reads entries of a map. `ENOENT` says that they are the last, and `count` how many there are.
///
/// # Errors
/// What the kernel says, `ENOENT` among it.
///
/// # Safety
/// The addresses are those of memory for keys and values of `count` entries of this map, and of a key or four bytes each for where to
/// begin and to go on; nothing else reaches them until the call has returned.
pub(super) unsafe fn lookup_batch(batch: &mut Batch) -> io::Result<()> {
    // SAFETY: the argument is as the command wants it; the caller vouches for the addresses.
    unsafe { bpf(BPF_MAP_LOOKUP_BATCH, batch) }.map(|_zero| ())
}

pub(super) fn address<T>(pointer: *mut T) -> u64 {
    pointer.expose_provenance() as u64
}

/// # Safety
/// `argument` is what the command takes, and every address in it holds as much as the kernel reads or writes there.
unsafe fn bpf<T>(command: libc::c_int, argument: &mut T) -> io::Result<libc::c_long> {
    let argument: *mut T = argument;
    // SAFETY: the kernel reads and writes as many bytes of the argument as it is told, which are its own; the caller vouches
    // for what is in it.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, argument, size_of::<T>()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
