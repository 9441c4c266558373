//! The share of answered requests over the time since the fault, one line for each contender, in one SVG file; a dashed line
//! where two nodes answered.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{coord::Shift, prelude::*};

use super::{
    faults::Fault,
    report::{Line, Report},
};

const WIDTH: u32 = 1100;
/// Height of one fault's panel, and of the line above all.
const PANEL: u32 = 300;
const HEADING: u32 = 36;
/// Milliseconds at both ends.
const BEGIN: f64 = 2.0;
const END: f64 = 20_000.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a panel for each fault in the report.
pub(super) fn draw(report: &Report, file: &Path) -> Result<()> {
    // plotters' errors borrow from the drawing: only their text can leave.
    panels(report, file).map_err(|error| anyhow!("draw {}: {error}", file.display()))
}

fn panels<'a>(report: &Report, file: &'a Path) -> std::result::Result<(), Box<dyn std::error::Error + 'a>> {
    let faults: Vec<Fault> = Fault::ALL
        .into_iter()
        .filter(|fault| !fault.is_quiet() && report.lines.iter().any(|line| line.fault == *fault))
        .collect();
    let count = u32::try_from(faults.len())?;
    let whole = SVGBackend::new(file, (WIDTH, HEADING + PANEL * count.max(1))).into_drawing_area();
    whole.fill(&WHITE)?;
    let machine = &report.machine;
    let heading = format!(
        "Arpeggio failover: share of answered requests (dashed: answered by two), {}, Linux {}, {}",
        machine.began, machine.kernel, machine.processor
    );
    whole.draw(&Text::new(heading, (16, 12), ("sans-serif", 15)))?;
    let (_, below) = whole.split_vertically(HEADING);
    for (area, fault) in below.split_evenly((faults.len().max(1), 1)).iter().zip(faults) {
        panel(area, fault, &report.lines)?;
    }
    whole.present()?;
    Ok(())
}

fn panel<'a>(
    area: &Area<'a>,
    fault: Fault,
    lines: &[Line],
) -> std::result::Result<(), Box<dyn std::error::Error + 'a>> {
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(fault.to_string(), ("sans-serif", 15))
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d((BEGIN..END).log_scale(), -2.0..102.0)?;
    chart
        .configure_mesh()
        .light_line_style(RGBColor(240, 240, 240))
        .x_desc("milliseconds since the fault")
        .x_label_formatter(&|ms| format!("{ms:.0}"))
        .y_labels(5)
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .draw()?;
    let of_fault = lines.iter().filter(|line| line.fault == fault);
    for (number, line) in of_fault.enumerate() {
        let style = style(line, number);
        let points = line.curve.iter().map(|point| (point.ms, point.answered * 100.0));
        let name = format!("{}: {} ms", line.contender, super::tables::shown(line.gap_ms.median));
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        if line.curve.iter().any(|point| point.twice > 0.0) {
            let points = line.curve.iter().map(|point| (point.ms, point.twice * 100.0));
            chart.draw_series(DashedLineSeries::new(points, 4, 4, style))?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(210, 210, 210))
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}

/// Ours are thick and blue to green, the others thin and grey to red.
fn style(line: &Line, number: usize) -> ShapeStyle {
    const OURS: [RGBColor; 5] = [
        RGBColor(20, 90, 180),
        RGBColor(20, 150, 190),
        RGBColor(20, 160, 110),
        RGBColor(110, 90, 200),
        RGBColor(90, 150, 40),
    ];
    const OTHERS: [RGBColor; 5] = [
        RGBColor(90, 90, 90),
        RGBColor(160, 120, 60),
        RGBColor(200, 110, 60),
        RGBColor(200, 60, 60),
        RGBColor(150, 60, 120),
    ];
    let (colors, width) = if line.ours { (OURS, 3) } else { (OTHERS, 1) };
    colors[number % colors.len()].stroke_width(width)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            report::{Heading, Trial},
            timeline::{Curve, Request},
        },
        *,
    };
    use crate::bench::common::Machine;

    #[test]
    fn every_fault_has_a_panel_and_every_contender_a_line() {
        let machine = Machine::example();
        let mut curve = Curve::default();
        let request = |ms: i64| Request {
            sent_ns: ms * 1_000_000,
            answerer: (ms > 150).then(|| "a".to_owned()),
            twice: ms > 300,
        };
        curve.add(&(0..500).map(request).collect::<Vec<_>>());
        let line = |contender: &str, fault| {
            let heading = Heading { contender: contender.to_owned(), interval_ms: 50.0, ours: true, fault };
            Line::new(heading, vec![Trial { answer_gap_ms: 151.0, ..Trial::default() }], &curve)
        };
        let lines = vec![
            line("ours, default", Fault::LinkCut),
            line("keepalived, 1 s", Fault::LinkCut),
            line("ours, default", Fault::Frozen),
            line("ours, default", Fault::Idle),
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("picture.svg");
        draw(&Report { machine, lines, goals: Vec::new() }, &file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        for label in ["link cut", "stopped for 5 s", "keepalived, 1 s: 151 ms", "milliseconds since the fault"] {
            assert!(text.contains(label), "{label}");
        }
        assert!(!text.contains("idle"), "nothing happens in it");
    }
}
