//! A small plot as SVG: panels side by side, each with lines over one scale from zero.

use std::fmt::Write as _;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 260.0;
/// What a panel keeps free: left, right, above, below.
const EDGE: (f64, f64, f64, f64) = (52.0, 16.0, 60.0, 40.0);
/// About so many ticks a scale.
const TICKS: f64 = 5.0;
const COLOURS: [&str; 3] = ["#0b62a4", "#b4570a", "#5a7d1e"];

/// A line of a plot.
#[derive(Debug, Clone)]
pub struct Series {
    /// What it shows.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Draws panels of lines; all have the same values along, from zero.
pub fn plot(title: &str, along: &str, panels: &[&[Series]]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"11\" role=\"img\" aria-label=\"{0}\">\n<rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{1}\" y=\"18\" font-size=\"13\" fill=\"#222\">{0}</text>\n",
        escaped(title),
        EDGE.0,
    );
    for (place, panel) in panels.iter().enumerate() {
        draw(&mut svg, WIDTH * place as f64, along, panel);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, left: f64, along: &str, lines: &[Series]) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (x_step, x_most) = scale(points().map(|point| point.0).fold(0.0, f64::max));
    let (y_step, y_most) = scale(points().map(|point| point.1).fold(0.0, f64::max));
    let (x0, x1) = (left + EDGE.0, left + WIDTH - EDGE.1);
    let (y0, y1) = (HEIGHT - EDGE.3, EDGE.2);
    let x = |value: f64| x0 + (x1 - x0) * value / x_most;
    let y = |value: f64| y0 + (y1 - y0) * value / y_most;
    // Writing into a String cannot fail.
    for tick in ticks(y_step, y_most) {
        let _ = writeln!(
            svg,
            "<path d=\"M{x0:.1} {0:.1}H{x1:.1}\" stroke=\"#ddd\"/><text x=\"{1:.1}\" y=\"{2:.1}\" text-anchor=\"end\" fill=\"#555\">{3}</text>",
            y(tick),
            x0 - 5.0,
            y(tick) + 4.0,
            number(tick)
        );
    }
    for tick in ticks(x_step, x_most) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            x(tick),
            y0 + 15.0,
            number(tick)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#222\">{}</text>",
        (x0 + x1) / 2.0,
        y0 + 32.0,
        escaped(along)
    );
    for (place, (line, colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let path: Vec<String> =
            line.points.iter().map(|point| format!("{:.1} {:.1}", x(point.0), y(point.1))).collect();
        let _ = writeln!(
            svg,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join("L")
        );
        for point in &line.points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x(point.0),
                y(point.1)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{x0:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            34.0 + 14.0 * place as f64,
            escaped(&line.name)
        );
    }
}

/// Finds round ticks: (from one to the next, the first that is not below `most`).
fn scale(most: f64) -> (f64, f64) {
    if most <= 0.0 {
        return (1.0, 1.0);
    }
    let raw = most / TICKS;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= raw * 0.999);
    let step = step.unwrap_or(raw);
    (step, (most / step - 1e-9).ceil() * step)
}

fn ticks(step: f64, most: f64) -> impl Iterator<Item = f64> {
    let count = (most / step).round() as u64;
    (0..=count).map(move |place| place as f64 * step)
}

fn number(value: f64) -> String {
    if value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}").into_bytes();
    let groups: Vec<String> =
        digits.rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join(",")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_they_belong_and_text_stays_text() {
        let line = [Series { name: "a<b".to_owned(), points: vec![(0.0, 0.0), (50.0, 20.0), (100.0, 40.0)] }];
        let svg = plot("\"x\"", "held", &[&line, &line]);
        assert_eq!(svg.matches("<circle").count(), 6);
        // The corners of the first panel, and its middle.
        for point in ["52.0 220.0", "198.0 140.0", "344.0 60.0"] {
            assert!(svg.contains(point), "{point}: {svg}");
        }
        assert!(svg.contains("a&lt;b") && svg.contains("&quot;x&quot;") && !svg.contains("NaN"));
        assert!(
            !plot("", "", &[&[Series { name: String::new(), points: vec![(0.0, 0.0)] }]]).contains("NaN")
        );
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(scale(20_000.0), (5_000.0, 20_000.0));
        assert_eq!(scale(61.3), (20.0, 80.0));
        assert_eq!([0.0, 500.0, 20_000.0, 0.25].map(number), ["0", "500", "20,000", "0.25"]);
    }
}
