//! The one door to packet bytes.

#![expect(
    unsafe_code,
    reason = "packet memory is reached by pointer arithmetic; nothing else in this library is unsafe"
)]

/// Both MACs.
const ADDRESSES: usize = 12;
/// A VLAN tag: protocol, then priority and VLAN.
const TAG: usize = 4;

/// A frame between two addresses: the linear part of a packet in the kernel, a buffer anywhere else.
///
/// The addresses are kept as integers because the verifier tracks them as packet pointers only from the context's fields
/// through plain additions and comparisons.
#[derive(Debug)]
pub struct Frame {
    start: usize,
    end: usize,
}

impl Frame {
    /// # Safety
    /// The bytes from `start` to `end` must be readable and writable, and nothing else may reach them, for as long as this
    /// value lives.
    #[inline(always)]
    pub const unsafe fn between(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Runs `decide` on a buffer.
    pub fn over<R>(buffer: &mut [u8], decide: impl FnOnce(&mut Self) -> R) -> R {
        let range = buffer.as_mut_ptr_range();
        let mut frame = Self { start: range.start.expose_provenance(), end: range.end.expose_provenance() };
        decide(&mut frame)
    }

    /// The `N` bytes from `offset`, or `None` when the frame ends before them.
    #[inline(always)]
    pub fn part<const N: usize>(&mut self, offset: usize) -> Option<&mut [u8; N]> {
        let start = self.start + offset;
        if start + N > self.end {
            return None;
        }
        let pointer = core::ptr::with_exposed_provenance_mut::<[u8; N]>(start);
        // SAFETY: `start` to `start + N` lies between the two addresses, by the comparison above and because `offset` is not
        // negative; whoever made this value promised that those bytes are ours alone; an array of bytes has no alignment
        // and no invalid values; the result borrows `self` mutably, so no two parts exist at a time.
        Some(unsafe { &mut *pointer })
    }

    /// Shows `decide` the frame without the tag behind its addresses, if that tag names VLAN 0: it carries a priority and no
    /// VLAN (IEEE 802.1Q-2022 section 6.9). The tag is put back afterwards, so that an answer goes the way the question
    /// came. `None`: the tag names a VLAN, or the frame ends before it does.
    #[inline(always)]
    pub fn without_priority_tag<R>(&mut self, decide: impl FnOnce(Self) -> R) -> Option<R> {
        let tag = *self.part::<TAG>(ADDRESSES)?;
        if tag[2] & 0x0f != 0 || tag[3] != 0 {
            return None;
        }
        let addresses = *self.head::<ADDRESSES>()?;
        *self.part(TAG)? = addresses;
        // `self` stays borrowed until the inner frame is gone, so the two never reach the bytes at the same time.
        let decided = decide(Self { start: self.start + TAG, end: self.end });
        let addresses = *self.part::<ADDRESSES>(TAG)?;
        *self.head()? = addresses;
        *self.part(ADDRESSES)? = tag;
        Some(decided)
    }

    /// The verifier forgets how long the frame was found to be. Whatever follows is then verified once, instead of once for every
    /// length. What is added is 0, because an interface index is a positive `int` in the kernel; the verifier does not know that.
    #[inline(always)]
    pub fn forget_length(&mut self, ifindex: u32) {
        self.start += (ifindex >> 31) as usize;
    }

    /// The first `N` bytes.
    #[inline(always)]
    pub fn head<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.part(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_where_the_frame_ends() {
        let mut buffer = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        Frame::over(&mut buffer, |frame| {
            assert_eq!(frame.head::<2>(), Some(&mut [0, 1]));
            assert_eq!(frame.part::<4>(6), Some(&mut [6, 7, 8, 9]));
            assert_eq!(frame.part::<4>(7), None);
            assert_eq!(frame.part::<1>(10), None);
            assert_eq!(frame.head::<11>(), None);
            *frame.part::<1>(9).unwrap() = [42];
        });
        assert_eq!(buffer[9], 42);
    }

    #[test]
    fn a_priority_tag_is_out_of_the_way_for_as_long_as_it_takes() {
        let mut buffer = *b"ddddddssssss\x81\x00\xe0\x00\x08\x06arp";
        let seen = Frame::over(&mut buffer, |frame| {
            frame.without_priority_tag(|mut inner| {
                assert_eq!(inner.head::<17>(), Some(b"ddddddssssss\x08\x06arp").copied().as_mut());
                assert_eq!(inner.part::<1>(17), None);
                *inner.head().unwrap() = *b"ssssss";
                7
            })
        });
        assert_eq!((seen, &buffer), (Some(7), b"ssssssssssss\x81\x00\xe0\x00\x08\x06arp"));
        let mut others = [*b"ddddddssssss\x81\x00\x00\x01\x08\x06", *b"ddddddssssss\x81\x00\x10\x80\x08\x06"];
        for other in &mut others {
            let before = *other;
            assert_eq!(Frame::over(other, |frame| frame.without_priority_tag(|_| ())), None);
            assert_eq!(*other, before);
        }
        let mut short = *b"ddddddssssss\x81\x00\x00";
        assert_eq!(Frame::over(&mut short, |frame| frame.without_priority_tag(|_| ())), None);
    }
}
