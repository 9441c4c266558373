//! The figures as bars, in one SVG file.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::report::{Answers, Report, Streams};

const WIDTH: u32 = 1000;
/// Height of a bar with its gap, of a panel's heading, and of the space below a panel.
const LINE: i32 = 18;
const HEADING: i32 = 30;
const GAP: i32 = 16;
/// Where bars begin, and how long the longest is.
const LEFT: i32 = 330;
const LONGEST: i32 = 560;

/// A group of bars that share a scale.
#[derive(Debug, PartialEq)]
struct Panel {
    title: String,
    bars: Vec<Bar>,
}

#[derive(Debug, PartialEq)]
struct Bar {
    label: String,
    value: f64,
    /// Ours, or something ours is compared with.
    ours: bool,
}

/// Draws the report.
pub(super) fn draw(report: &Report, file: &Path) -> Result<()> {
    let panels = panels(report);
    let height: i32 = panels.iter().map(height).sum::<i32>() + HEADING + GAP;
    let area = SVGBackend::new(file, (WIDTH, height.unsigned_abs())).into_drawing_area();
    // plotters' errors borrow from the drawing: only their text can leave.
    let failed = |error: &dyn std::fmt::Display| anyhow!("draw {}: {error}", file.display());
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let machine = &report.machine;
    let heading = format!("Arpeggio fast path, {}, Linux {}, {}", machine.began, machine.kernel, machine.processor);
    text(&area, (GAP, GAP), &heading, ("sans-serif", 15), HPos::Left).map_err(|error| failed(&error))?;
    let mut top = HEADING + GAP;
    for panel in &panels {
        draw_panel(&area, panel, top).map_err(|error| failed(&error))?;
        top += height_of(panel.bars.len());
    }
    area.present().map_err(|error| failed(&error))
}

fn panels(report: &Report) -> Vec<Panel> {
    let mut panels: Vec<Panel> = ["xdp", "tc"].map(|hook| costs(report, hook)).into();
    let lines: &[Answers] = &report.answers;
    let mut add = |title: &str, value: fn(&Answers) -> f64| {
        let bars = lines.iter().map(|line| bar(format!("{} {}", line.contender, line.family), value(line))).collect();
        panels.push(Panel { title: title.to_owned(), bars });
    };
    add("idle: time to an answer, p50, µs", |line| line.idle.p50_us);
    add("idle: time to an answer, p99, µs", |line| line.idle.p99_us);
    add("16 busy processes: time to an answer, p50, µs", |line| line.loaded.p50_us);
    add("16 busy processes: time to an answer, p99, µs", |line| line.loaded.p99_us);
    add("flood: answers per second", |line| line.flood.answers_per_second);
    add("flood: CPU of the answering process per answer, µs", |line| line.flood.agent_us.unwrap_or(0.0).max(0.0));
    let mut add = |title: &str, value: fn(&Streams) -> f64| {
        let bars = report.streams.iter().map(|line| bar(line.interface.clone(), value(line))).collect();
        panels.push(Panel { title: title.to_owned(), bars });
    };
    add("one TCP connection, Gbit/s", |line| line.tcp_gbit);
    add("64-byte packets per second", |line| line.packets_per_second);
    panels
}

fn costs(report: &Report, hook: &str) -> Panel {
    let costs = report.frames.contenders.iter().filter(|cost| cost.hook == hook);
    let theirs = ["empty", "bounce", "rewrite"];
    let bars = costs.map(|cost| Bar {
        label: cost.name.clone(),
        value: cost.ns,
        ours: !theirs.iter().any(|name| cost.name.starts_with(name)),
    });
    let loaded = report.frames.loaded;
    Panel { title: format!("{hook}: nanoseconds per frame, {loaded} addresses loaded"), bars: bars.collect() }
}

fn bar(label: String, value: f64) -> Bar {
    let ours = label.starts_with("ours");
    Bar { label, value, ours }
}

fn height(panel: &Panel) -> i32 {
    height_of(panel.bars.len())
}

fn height_of(bars: usize) -> i32 {
    HEADING + LINE * i32::try_from(bars).unwrap_or(i32::MAX / LINE) + GAP
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn draw_panel(area: &Area<'_>, panel: &Panel, top: i32) -> Drawn {
    text(area, (GAP, top), &panel.title, ("sans-serif", 15), HPos::Left)?;
    let most = panel.bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let mut line = top + HEADING;
    for bar in &panel.bars {
        let right = LEFT + length(bar.value, most);
        let color = if bar.ours { RGBColor(32, 120, 180) } else { RGBColor(150, 150, 150) };
        area.draw(&Rectangle::new([(LEFT, line - LINE / 2 + 2), (right, line + LINE / 2 - 2)], color.filled()))?;
        text(area, (LEFT - 8, line), &bar.label, ("sans-serif", 12), HPos::Right)?;
        text(area, (right + 6, line), &shown(bar.value), ("sans-serif", 12), HPos::Left)?;
        line += LINE;
    }
    Ok(())
}

fn text(area: &Area<'_>, at: (i32, i32), text: &str, font: (&str, i32), side: HPos) -> Drawn {
    let style = font.into_font().color(&BLACK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))
}

/// Pixels; what is not zero can be seen.
#[expect(clippy::cast_possible_truncation, reason = "the value is between 0 and the longest bar")]
fn length(value: f64, most: f64) -> i32 {
    if value > 0.0 && most > 0.0 { ((value / most * f64::from(LONGEST)) as i32).clamp(1, LONGEST) } else { 0 }
}

/// With as many digits as say something.
fn shown(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_keep_proportion_and_bounds() {
        assert_eq!((length(0.0, 5.0), length(5.0, 5.0), length(2.5, 5.0)), (0, LONGEST, LONGEST / 2));
        assert_eq!((length(1e-9, 5.0), length(1.0, 0.0)), (1, 0));
        assert_eq!([shown(33.0), shown(1.234), shown(45123.4)], ["33", "1.23", "45123"]);
    }

    #[test]
    fn ours_is_told_from_others() {
        assert!(bar("ours, tcx ARP".to_owned(), 1.0).ours);
        assert!(!bar("kernel ARP".to_owned(), 1.0).ours);
    }
}
