//! Nanoseconds per frame: runs the benchmark program of the speaker's crate, which talks to the kernel.

use anyhow::{Context as _, Result};

use super::{plan::Plan, report::Frames};
use crate::{sh, ui};

/// Measures every program on every frame.
pub(super) fn measure(plan: &Plan) -> Result<Frames> {
    let step = ui::Step::begin("measuring frame by frame");
    let mut command = plan.benchmark();
    command.args(["--quiet", "--"]);
    command.args(["--repeat", &plan.repeat.to_string(), "--readings", &plan.readings.to_string()]);
    let frames = parse(&sh::read(command)?)?;
    step.done(format_args!("{} readings of each", frames.readings));
    Ok(frames)
}

fn parse(output: &str) -> Result<Frames> {
    let last = output.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("read what the benchmark program printed:\n{output}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_holds_the_costs() {
        let line = r#"{"repeat":5,"readings":2,"loaded":3,"contenders":[
            {"hook":"xdp","name":"answer","frame":48,"ns":61.5,"median_ns":63.0,"p90_ns":80.0}]}"#;
        let frames = parse(&format!("some note\n{}", line.replace('\n', ""))).unwrap();
        assert_eq!((frames.ns("xdp", "answer"), frames.ns("tc", "answer")), (Some(61.5), None));
        assert!(parse("").is_err());
    }
}
