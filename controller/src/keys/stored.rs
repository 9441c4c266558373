//! What the Secret holds: the file that speakers read, and what it was made of.

use std::collections::BTreeMap;

use arpeggio_common::{api::names, model::Key};
use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::decide::{Stage, State};

/// The file that speakers read; the DaemonSet mounts nothing else of it.
pub const FILE: &str = "keys.yaml";
const SIGN: &str = "signing-key";
const OTHER: &str = "other-key";
const STAGE: &str = "stage";
const SERVED: &str = "served";

/// What a Secret holds; `None`: nothing that makes sense.
pub fn read(secret: &Secret) -> Option<State> {
    let text = |name: &str| {
        let bytes = secret.data.as_ref()?.get(name)?;
        String::from_utf8(bytes.0.clone()).ok()
    };
    let stage = text(STAGE)?;
    let stage = Stage::ALL.into_iter().find(|known| known.name() == stage)?;
    let sign = Key::from_hex(&text(SIGN)?).ok()?;
    let other = text(OTHER).map(|text| Key::from_hex(&text)).transpose().ok()?;
    let in_two = matches!(stage, Stage::Accepted | Stage::Switched);
    let state = State { stage, sign, other, served: text(SERVED).unwrap_or_default() };
    (other.is_some() == in_two && other != Some(sign)).then_some(state)
}

/// Whether the file in it is the one that belongs to this.
pub fn shows(secret: &Secret, state: &State) -> bool {
    let file = secret.data.as_ref().and_then(|data| data.get(FILE));
    file.is_some_and(|file| file.0 == state.keys().to_text().into_bytes())
}

/// Writes it into the Secret; what others put there stays.
pub fn write(secret: &mut Secret, state: &State) {
    let data: &mut BTreeMap<String, ByteString> = secret.data.get_or_insert_default();
    let mut put = |name: &str, text: Option<String>| match text {
        Some(text) => _ = data.insert(name.to_owned(), ByteString(text.into_bytes())),
        None => _ = data.remove(name),
    };
    put(FILE, Some(state.keys().to_text()));
    put(SIGN, Some(state.sign.to_hex()));
    put(OTHER, state.other.map(Key::to_hex));
    put(STAGE, Some(state.stage.name().to_owned()));
    put(SERVED, Some(state.served.clone()).filter(|served| !served.is_empty()));
}

/// The wish for another key: the annotation, whatever it says.
pub fn wish(secret: &Secret) -> String {
    let annotations = secret.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(names::ROTATE)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(stage: Stage, other: Option<u8>) -> State {
        let key = |number| Key::new([number; 16]).unwrap();
        State { stage, sign: key(1), other: other.map(key), served: "a wish".to_owned() }
    }

    #[test]
    fn a_secret_is_read_as_it_was_written_and_what_others_put_there_stays() {
        let mut secret = Secret::default();
        secret.data.get_or_insert_default().insert("theirs".to_owned(), ByteString(vec![0xff]));
        for state in [state(Stage::Accepted, Some(2)), state(Stage::Steady, None), state(Stage::Introduced, None)] {
            assert!(!shows(&secret, &state));
            write(&mut secret, &state);
            assert_eq!(read(&secret), Some(state.clone()));
            assert!(shows(&secret, &state));
        }
        assert_eq!(secret.data.as_ref().unwrap()["theirs"].0, [0xff]);
        assert!(!secret.data.as_ref().unwrap().contains_key(OTHER));
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        assert_eq!(read(&Secret::default()), None);
        for (stage, other, name, bytes) in [
            (Stage::Steady, None, SIGN, "short"),
            (Stage::Steady, None, STAGE, "sometimes"),
            (Stage::Accepted, Some(2), OTHER, "no"),
            (Stage::Accepted, Some(2), STAGE, "steady"),
            (Stage::Steady, None, STAGE, "switched"),
        ] {
            let mut secret = Secret::default();
            write(&mut secret, &state(stage, other));
            secret.data.as_mut().unwrap().insert(name.to_owned(), ByteString(bytes.as_bytes().to_vec()));
            assert_eq!(read(&secret), None, "{name}: {bytes}");
        }
        let mut twice = Secret::default();
        write(&mut twice, &state(Stage::Accepted, Some(1)));
        assert_eq!(read(&twice), None);
    }
}
