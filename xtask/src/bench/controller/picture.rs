//! The share of Services with an address over the time, one line for each contender, one panel for each measurement.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{coord::Shift, prelude::*};

use super::report::{Line, Phase, Report};

const WIDTH: u32 = 1100;
const PANEL: u32 = 300;
const HEADING: u32 = 36;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = std::result::Result<(), Box<dyn std::error::Error + 'a>>;

/// Draws a panel for each number of Services and phase in the report.
pub(super) fn draw(report: &Report, file: &Path) -> Result<()> {
    // plotters' errors borrow from the drawing: only their text can leave.
    panels(report, file).map_err(|error| anyhow!("draw {}: {error}", file.display()))
}

fn panels<'a>(report: &Report, file: &'a Path) -> Drawn<'a> {
    let mut kinds: Vec<(u32, Phase)> = Vec::new();
    for line in &report.lines {
        if !kinds.contains(&(line.services, line.phase)) {
            kinds.push((line.services, line.phase));
        }
    }
    let count = u32::try_from(kinds.len())?.max(1);
    let whole = SVGBackend::new(file, (WIDTH, HEADING + PANEL * count)).into_drawing_area();
    whole.fill(&WHITE)?;
    let machine = &report.machine;
    let heading = format!("Arpeggio controller: Services with an address, {}, {}", machine.began, machine.processor);
    whole.draw(&Text::new(heading, (16, 12), ("sans-serif", 15)))?;
    let (_, below) = whole.split_vertically(HEADING);
    for (area, (services, phase)) in below.split_evenly((kinds.len().max(1), 1)).iter().zip(kinds) {
        let lines: Vec<&Line> =
            report.lines.iter().filter(|line| (line.services, line.phase) == (services, phase)).collect();
        panel(area, &format!("{services} Services, {phase}"), &lines)?;
    }
    whole.present()?;
    Ok(())
}

fn panel<'a>(area: &Area<'a>, caption: &str, lines: &[&Line]) -> Drawn<'a> {
    let longest = lines.iter().map(|line| line.total_ms).fold(1.0, f64::max) / 1000.0;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(caption, ("sans-serif", 15))
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..longest * 1.02, -2.0..102.0)?;
    chart
        .configure_mesh()
        .light_line_style(RGBColor(240, 240, 240))
        .x_desc("seconds")
        .y_labels(5)
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .draw()?;
    let others = [RGBColor(90, 90, 90), RGBColor(200, 110, 60), RGBColor(150, 60, 120)];
    for (number, line) in lines.iter().enumerate() {
        let style = if line.ours {
            RGBColor(20, 90, 180).stroke_width(3)
        } else {
            others[number % others.len()].stroke_width(1)
        };
        let points = line.curve.iter().zip(1..).map(|(ms, percent)| (ms / 1000.0, f64::from(percent)));
        chart
            .draw_series(LineSeries::new(std::iter::once((0.0, 0.0)).chain(points), style))?
            .label(format!("{}: {:.0} addresses/s", line.contender, line.rate()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
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
