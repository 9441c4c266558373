//! Writes the inputs that fuzzing begins with: `seeds DIRECTORY` makes one folder for each target below it.

use std::{fs, io, path::PathBuf};

use arpeggio_speaker_fuzz::seeds;

fn main() -> io::Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("which directory? give it as the argument"))?;
    for (target, inputs) in [("packet", seeds::packets()), ("config", seeds::configs())] {
        let folder = directory.join(target);
        fs::create_dir_all(&folder)?;
        for (index, input) in inputs.into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{index:02}")), input)?;
        }
    }
    Ok(())
}
