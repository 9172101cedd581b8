//! Stored replies, packed: LZ4 blocks with a dictionary of what replies usually say.
//!
//! The first byte of a stored reply is the number of its dictionary, 0 for none. Dictionaries are files that are kept for ever: a
//! better one gets the next number, and what was stored with an older one stays readable.
//!
//! ```text
//! number 0:  0, content
//! number n:  n, length of the content (u32, little-endian), LZ4 block of the content
//! 255:       255, one of the above, sealed (see [`crate::ReplySealer`])
//! content:   length (u8) and bytes of content-type, length (u16, little-endian; 0 = absent) and bytes of location, body
//! ```

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use lz4_flex::block::{compress_into_with_dict, decompress_with_dict, get_maximum_output_size};

use crate::error::CodecError;
use crate::types::Reply;

/// The largest body that is recorded, in bytes. API rule: 512 KiB.
pub const BODY_BYTES_MAX: usize = 512 * 1024;
/// The longest `content-type` that is recorded, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 255;
/// The longest `location` that is recorded, in bytes.
pub const LOCATION_BYTES_MAX: usize = 8 * 1024;

const CONTENT_BYTES_MAX: usize = BODY_BYTES_MAX + CONTENT_TYPE_BYTES_MAX + LOCATION_BYTES_MAX + 3;

/// Dictionary n is entry n - 1. Entries are only ever appended.
const DICTIONARIES: [&[u8]; 1] = [include_bytes!("../dictionaries/0001.bin")];

const PLAIN: u8 = 0;
/// Before a block: the number of its dictionary, the length of its content.
const HEAD_BYTES: usize = 5;
#[expect(clippy::cast_possible_truncation, reason = "there are a handful of dictionaries; the assertion below keeps it so")]
const NEWEST: u8 = DICTIONARIES.len() as u8;
/// In place of a dictionary's number: what follows is sealed.
pub(crate) const SEALED: u8 = u8::MAX;
const _: () = assert!(DICTIONARIES.len() < SEALED as usize, "the number of a dictionary is one byte, and the last one is taken");

thread_local! {
    /// Where this thread packs, kept from one reply to the next: the writer packs thousands a second.
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Whether a stored reply is sealed, because it carries a secret.
pub fn is_sealed(stored: &[u8]) -> bool {
    stored.first() == Some(&SEALED)
}

/// The bytes to store for a reply; its status is stored beside them.
///
/// # Errors
/// [`CodecError::TooLarge`] when body or a header is over its limit.
pub fn pack(reply: &Reply) -> Result<Arc<[u8]>, CodecError> {
    let content = content(reply)?;
    let length = u32::try_from(content.len()).map_err(|_| CodecError::TooLarge)?;
    Ok(ROOM.with_borrow_mut(|room| {
        let most = HEAD_BYTES + get_maximum_output_size(content.len());
        if room.len() < most {
            room.resize(most, 0);
        }
        room[0] = NEWEST;
        room[1..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        let block = compress_into_with_dict(&content, &mut room[HEAD_BYTES..], DICTIONARIES[usize::from(NEWEST) - 1]);
        // Random bytes and very short texts do not shrink.
        match block.map(|block| HEAD_BYTES + block).ok().filter(|packed| *packed <= content.len()) {
            Some(length) => Arc::from(&room[..length]),
            None => Arc::from([[PLAIN].as_slice(), &content].concat()),
        }
    }))
}

/// The reply that [`pack`] stored.
///
/// # Errors
/// [`CodecError::Dictionary`] for a dictionary of a newer program, [`CodecError::Damaged`] for bytes that are not a stored reply.
pub fn unpack(status: u16, stored: &[u8]) -> Result<Reply, CodecError> {
    let (number, rest) = stored.split_first().ok_or(CodecError::Damaged)?;
    let content = match *number {
        PLAIN => rest.to_vec(),
        SEALED => return Err(CodecError::Sealed),
        number => {
            let dictionary = DICTIONARIES.get(usize::from(number) - 1).ok_or(CodecError::Dictionary(number))?;
            let (length, block) = rest.split_first_chunk().ok_or(CodecError::Damaged)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| CodecError::Damaged)?;
            if length > CONTENT_BYTES_MAX {
                return Err(CodecError::Damaged);
            }
            let content = decompress_with_dict(block, length, dictionary).map_err(|_| CodecError::Damaged)?;
            if content.len() != length {
                return Err(CodecError::Damaged);
            }
            content
        }
    };
    read(status, content).ok_or(CodecError::Damaged)
}

fn content(reply: &Reply) -> Result<Vec<u8>, CodecError> {
    let (content_type, location) = (reply.content_type.as_bytes(), reply.location.as_deref().unwrap_or_default().as_bytes());
    if reply.body.len() > BODY_BYTES_MAX || location.len() > LOCATION_BYTES_MAX {
        return Err(CodecError::TooLarge);
    }
    let type_length = u8::try_from(content_type.len()).map_err(|_| CodecError::TooLarge)?;
    let location_length = u16::try_from(location.len()).map_err(|_| CodecError::TooLarge)?;
    Ok([&[type_length], content_type, &location_length.to_le_bytes(), location, &reply.body].concat())
}

fn read(status: u16, content: Vec<u8>) -> Option<Reply> {
    let (type_length, rest) = content.split_first()?;
    let (content_type, rest) = rest.split_at_checked(usize::from(*type_length))?;
    let (location_length, rest) = rest.split_first_chunk()?;
    let (location, body) = rest.split_at_checked(usize::from(u16::from_le_bytes(*location_length)))?;
    let content_type = Cow::Owned(std::str::from_utf8(content_type).ok()?.to_owned());
    let location = Some(std::str::from_utf8(location).ok()?.to_owned()).filter(|location| !location.is_empty());
    let body_at = content.len() - body.len();
    Some(Reply { status, content_type, location, body: Bytes::from(content).slice(body_at..) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(body: impl Into<Bytes>) -> Reply {
        Reply { status: 201, content_type: "application/json; charset=utf-8".into(), location: None, body: body.into() }
    }

    proptest! {
        #[test]
        fn whatever_is_packed_comes_back(
            body in prop::collection::vec(any::<u8>(), 0..4_000),
            content_type in "[ -~]{0,255}",
            location in prop::option::of("[!-~]{1,300}"),
            status in 200..300_u16,
        ) {
            let reply = Reply { status, content_type: content_type.into(), location, body: body.into() };
            prop_assert_eq!(unpack(status, &pack(&reply)?)?, reply);
        }

        #[test]
        fn repetitive_bodies_come_back_too(word in "[a-z\":,]{1,40}", times in 0..2_000_usize) {
            let reply = reply(word.repeat(times));
            prop_assert_eq!(unpack(201, &pack(&reply)?)?, reply);
        }

        #[test]
        fn damage_is_noticed_or_harmless_never_a_panic(stored in prop::collection::vec(any::<u8>(), 0..200)) {
            let _either_way = unpack(201, &stored);
        }

        #[test]
        fn a_cut_reply_is_noticed(cut in 1..60_usize) {
            let packed = pack(&reply("{\"id\":\"0193\",\"status\":\"SUCCEEDED\",\"words\":[\"that\",\"no\",\"dictionary\",\"knows\"]}"))?;
            prop_assert!(unpack(201, &packed[..packed.len().saturating_sub(cut)]).is_err());
        }
    }

    #[test]
    fn the_limits_are_exact() {
        assert!(pack(&reply(vec![b'x'; BODY_BYTES_MAX])).is_ok());
        assert_eq!(pack(&reply(vec![b'x'; BODY_BYTES_MAX + 1])), Err(CodecError::TooLarge));
        let long_type = Reply { content_type: "x".repeat(CONTENT_TYPE_BYTES_MAX + 1).into(), ..reply("") };
        assert_eq!(pack(&long_type), Err(CodecError::TooLarge));
        let far = Reply { location: Some("x".repeat(LOCATION_BYTES_MAX + 1)), ..reply("") };
        assert_eq!(pack(&far), Err(CodecError::TooLarge));
    }

    #[test]
    fn a_newer_programs_dictionary_is_named() {
        assert_eq!(unpack(201, &[NEWEST + 1, 0, 0, 0, 0]), Err(CodecError::Dictionary(NEWEST + 1)));
    }

    #[test]
    fn the_largest_size_claimed_by_damaged_bytes_is_bounded() {
        assert_eq!(unpack(201, &[1, 0xff, 0xff, 0xff, 0xff, 0]), Err(CodecError::Damaged));
    }

    /// Stored replies refer to these bytes: a dictionary that changes makes them unreadable.
    #[test]
    fn dictionaries_never_change() {
        let known = ["783575db912340bda6fb92eac59f07597ec6d653c833246da2e8caf587c92d32"];
        let digests: Vec<String> = DICTIONARIES.iter().map(|dictionary| hex(&kernel::sha256(&[dictionary]))).collect();
        assert_eq!(digests, known);
    }

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
    }
}
