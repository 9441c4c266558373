//! Reading a map whole, hundreds of entries a system call (`BPF_MAP_LOOKUP_BATCH`: Linux 5.6, per-CPU arrays 5.13).

#![expect(unsafe_code, reason = "bpf(2) writes keys and values into memory that is not initialised before")]

use std::{
    io,
    mem::MaybeUninit,
    ops::ControlFlow,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    Pod,
    maps::{MapData, MapError},
};
use nix::errno::Errno;

use super::syscall;

/// Entries a system call. More only if a bucket of a hash map holds more, which it then is read with at once.
const AT_ONCE: u32 = 512;

/// Calls `take` with each key and its `per_key` values (one; in a per-CPU map one for each possible CPU) until it breaks. Entries that come
/// or go meanwhile are among them or not; no other is left out or told twice.
///
/// # Errors
/// The map cannot be read, or its keys and values have other sizes.
pub(super) fn each_entry<K: Pod, V: Pod>(
    map: &MapData,
    per_key: usize,
    mut take: impl FnMut(K, &[V]) -> ControlFlow<()>,
) -> Result<(), MapError> {
    let info = map.info()?;
    let fits = |size: u32, wanted: usize| usize::try_from(size).is_ok_and(|size| size == wanted);
    // A per-CPU map pads each value to eight bytes.
    if !fits(info.key_size(), size_of::<K>())
        || !fits(info.value_size(), size_of::<V>())
        || per_key > 1 && !size_of::<V>().is_multiple_of(8)
    {
        return Err(MapError::IoError(io::Error::from(io::ErrorKind::InvalidData)));
    }
    let mut room = AT_ONCE.min(info.max_entries().max(1));
    let (mut keys, mut values) = (Vec::<MaybeUninit<K>>::new(), Vec::<MaybeUninit<V>>::new());
    // Where to go on: a key, or the number of a bucket.
    let mut cursor = vec![0_u8; size_of::<K>().max(size_of::<u32>())];
    let mut next = cursor.clone();
    let mut begun = false;
    loop {
        let wanted = usize::try_from(room).unwrap_or(usize::MAX);
        keys.resize_with(wanted, MaybeUninit::uninit);
        values.resize_with(wanted.saturating_mul(per_key), MaybeUninit::uninit);
        let mut batch = syscall::Batch {
            in_batch: if begun { syscall::address(cursor.as_mut_ptr()) } else { 0 },
            out_batch: syscall::address(next.as_mut_ptr()),
            keys: syscall::address(keys.as_mut_ptr()),
            values: syscall::address(values.as_mut_ptr()),
            count: room,
            map: u32::try_from(map.fd().as_fd().as_raw_fd()).unwrap_or(u32::MAX),
            ..syscall::Batch::default()
        };
        // SAFETY: `keys` and `values` have room for `count` entries of the sizes that the map has, both cursors for a key and for the
        // number of a bucket; all live until the call has returned, and nothing else reaches them meanwhile.
        let answer = unsafe { syscall::lookup_batch(&mut batch) };
        let last = match answer {
            Ok(()) => false,
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT) => true,
                Some(Errno::ENOSPC) if room < info.max_entries() => {
                    room = room.saturating_mul(2).min(info.max_entries());
                    continue;
                }
                _ => return Err(MapError::IoError(error)),
            },
        };
        let count = usize::try_from(batch.count.min(room)).unwrap_or(0);
        for (key, values) in keys.iter().zip(values.chunks_exact(per_key)).take(count) {
            // SAFETY: the kernel has written the first `count` keys, and any bytes are a `K`: it is `Pod`.
            let key = unsafe { key.assume_init() };
            // SAFETY: the same of their values.
            let values = unsafe { values.assume_init_ref() };
            if take(key, values).is_break() {
                return Ok(());
            }
        }
        if last {
            return Ok(());
        }
        cursor.copy_from_slice(&next);
        begun = true;
    }
}
