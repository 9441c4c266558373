//! One SVG file with three panels of bars, one bar for each kind of attack: processor time of the agents, frames that a node
//! sends, and the gap of a failover.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{coord::Shift, prelude::*};

use super::report::{Line, Report};

const WIDTH: u32 = 1100;
const PANEL: u32 = 240;
const HEADING: u32 = 36;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = std::result::Result<(), Box<dyn std::error::Error + 'a>>;
/// Title, the limit that is promised, and which figure it is.
type Panel = (&'static str, Option<f64>, fn(&Line) -> f64);

const PANELS: [Panel; 3] = [
    ("agent, % of one processor (the busiest)", Some(5.0), |line| line.owner_cpu.max(line.standby_cpu)),
    ("frames a second of the busiest node", None, |line| line.sent),
    ("owner cut off: milliseconds without an answer", Some(250.0), |line| line.gap_ms),
];

/// Draws the report.
pub(super) fn draw(report: &Report, file: &Path) -> Result<()> {
    // plotters' errors borrow from the drawing: only their text can leave.
    panels(report, file).map_err(|error| anyhow!("draw {}: {error}", file.display()))
}

fn panels<'a>(report: &Report, file: &'a Path) -> Drawn<'a> {
    let count = u32::try_from(PANELS.len())?;
    let whole = SVGBackend::new(file, (WIDTH, HEADING + PANEL * count)).into_drawing_area();
    whole.fill(&WHITE)?;
    let machine = &report.machine;
    let heading = format!(
        "Arpeggio under {} forged frames a second, {}, Linux {}, {}",
        report.rate, machine.began, machine.kernel, machine.processor
    );
    whole.draw(&Text::new(heading, (16, 12), ("sans-serif", 15)))?;
    let (_, below) = whole.split_vertically(HEADING);
    for (area, panel) in below.split_evenly((PANELS.len(), 1)).iter().zip(PANELS) {
        bars(area, panel, &report.lines)?;
    }
    whole.present()?;
    Ok(())
}

fn bars<'a>(area: &Area<'a>, (title, limit, figure): Panel, lines: &[Line]) -> Drawn<'a> {
    let largest = lines.iter().map(figure).chain(limit).fold(1.0, f64::max);
    let rows = lines.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(title, ("sans-serif", 15))
        .x_label_area_size(24)
        .y_label_area_size(4)
        .build_cartesian_2d(0.0..largest * 1.15, 0.0..rows)?;
    chart.configure_mesh().disable_y_mesh().disable_y_axis().light_line_style(RGBColor(240, 240, 240)).draw()?;
    for (row, line) in lines.iter().enumerate() {
        let (value, top) = (figure(line), rows - row as f64);
        let bar = [(0.0, top - 0.2), (value, top - 0.8)];
        chart.draw_series([Rectangle::new(bar, RGBColor(150, 185, 225).filled())])?;
        let label = format!("{}: {value:.1}", line.kind);
        chart.draw_series([Text::new(label, (largest * 0.005, top - 0.3), ("sans-serif", 13))])?;
    }
    if let Some(limit) = limit {
        chart.draw_series([PathElement::new([(limit, 0.0), (limit, rows)], RGBColor(200, 60, 60).stroke_width(2))])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{goals::tests::line, report::Kind},
        *,
    };
    use crate::bench::common::Machine;

    #[test]
    fn every_attack_has_a_bar_in_every_panel() {
        let machine = Machine::example();
        let lines = vec![line(Kind::None), line(Kind::Claims)];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("picture.svg");
        draw(&Report { machine, rate: 100_000, lines, goals: Vec::new() }, &file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        for label in ["claims, invented tags: 4.0", "claims, invented tags: 300.0", "claims, invented tags: 140.0"] {
            assert!(text.contains(label), "{label}");
        }
        assert!(text.contains("100000 forged frames"), "{text}");
    }
}
