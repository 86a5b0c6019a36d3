//! Colours, hatching and text of all plots, and their legends.

use super::canvas::esc;
use crate::drill::report::wording::told;
use crate::drill::scenario::Told;

/// The part of the page's style sheet that plots need. The colours are those of Okabe and Ito, which people with
/// any common colour blindness tell apart, lightened where text stands on them.
pub(crate) const STYLE: &str = "\
svg.plot{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:12.5px;fill:#1a1f24;font-family:inherit}
svg text.mid{text-anchor:middle}svg text.end{text-anchor:end}
svg text.sub{font-size:11.5px;fill:#4a545c}svg text.bold{font-weight:700}
svg text.mark{font-size:11px;font-weight:700;fill:#fff;text-anchor:middle}
svg text.out{paint-order:stroke;stroke:#fff;stroke-width:3.5px;stroke-linejoin:round}
svg .grid{stroke:#d5dadd;stroke-width:1;fill:none}svg .axis{stroke:#5c666e;stroke-width:1;fill:none}
svg .frame{stroke:#8c969d;stroke-width:1;fill:none}svg .drop{stroke:#5c666e;stroke-width:.8;stroke-dasharray:2 3;fill:none}
svg .pin{fill:#23282d}svg .pinbad{fill:#b03a00}
svg .s0{fill:#a6d3ee}svg .s1{fill:url(#p-alone)}svg .s2{fill:url(#p-read)}svg .s3{fill:#4d4d4d}svg .s4{fill:url(#p-lost)}
svg .edge{fill:none;stroke:#23282d;stroke-width:1}
svg .h0{fill:url(#p-h0)}svg .h1{fill:url(#p-h1)}svg .h2{fill:#dfe3e6}
svg .box{stroke:#3b444b;stroke-width:.8}
svg .bar{fill:#56a5d8}svg .bar0{fill:#c9d1d6}svg .barx{fill:url(#p-over)}svg .none{fill:#fff;stroke:#3b444b;stroke-dasharray:3 2}
svg .cut{fill:url(#p-cut)}svg .quota{stroke:#b03a00;stroke-width:1.8;stroke-dasharray:7 3;fill:none}
svg .d0{fill:#0072b2;fill-opacity:.35}svg .d1{fill:#0072b2;fill-opacity:.6}svg .d2{fill:#0072b2}svg .d3{fill:#003a5c}
svg .cross{stroke:#b03a00;stroke-width:1.6;fill:none}
svg .l0{stroke:#0072b2;stroke-width:2.4;fill:none}svg .l1{stroke:#c24f00;stroke-width:2.4;stroke-dasharray:8 3;fill:none}
svg .l2{stroke:#007a5a;stroke-width:2.4;stroke-dasharray:2 3;fill:none}svg .l3{stroke:#8a4b80;stroke-width:2.4;stroke-dasharray:9 3 2 3;fill:none}
svg .l4{stroke:#23282d;stroke-width:1.6;fill:none}svg .l5{stroke:#23282d;stroke-width:1.6;stroke-dasharray:5 4;fill:none}
svg .f0{fill:#0072b2}svg .f1{fill:url(#p-f1)}svg .f2{fill:#8fd0bd}svg .f3{fill:url(#p-f3)}svg .f4{fill:#23282d}svg .f5{fill:#c9d1d6}
svg .mid-line{stroke:#23282d;stroke-width:2;fill:none}
";

/// Returns the hatchings that plots refer to; they stand once in a page.
pub(crate) fn patterns() -> &'static str {
    "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs>\
<pattern id=\"p-alone\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"6\" height=\"6\" fill=\"#f7c46a\"/><rect width=\"2\" height=\"6\" fill=\"#c77700\"/></pattern>\
<pattern id=\"p-read\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<rect width=\"6\" height=\"6\" fill=\"#fff7b0\"/><circle cx=\"3\" cy=\"3\" r=\"1.3\" fill=\"#6b6100\"/></pattern>\
<pattern id=\"p-lost\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\">\
<rect width=\"7\" height=\"7\" fill=\"#1a1a1a\"/><path d=\"M0 0L7 7M7 0L0 7\" stroke=\"#fff\" stroke-width=\"1.1\"/></pattern>\
<pattern id=\"p-cut\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(-45)\">\
<rect width=\"5\" height=\"5\" fill=\"#f3f4f5\"/><rect width=\"1\" height=\"5\" fill=\"#aab2b8\"/></pattern>\
<pattern id=\"p-h0\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"5\" height=\"5\" fill=\"#d55e00\"/><rect width=\"1.4\" height=\"5\" fill=\"#5e2900\"/></pattern>\
<pattern id=\"p-h1\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<rect width=\"6\" height=\"6\" fill=\"#f7d58a\"/><circle cx=\"3\" cy=\"3\" r=\"1.1\" fill=\"#7a5200\"/></pattern>\
<pattern id=\"p-over\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"5\" height=\"5\" fill=\"#d55e00\"/><rect width=\"1.4\" height=\"5\" fill=\"#fff\"/></pattern>\
<pattern id=\"p-f1\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"5\" height=\"5\" fill=\"#e9904a\"/><rect width=\"1.4\" height=\"5\" fill=\"#6b2c00\"/></pattern>\
<pattern id=\"p-f3\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<rect width=\"6\" height=\"6\" fill=\"#dcb6d5\"/><circle cx=\"3\" cy=\"3\" r=\"1.2\" fill=\"#5e2a56\"/></pattern>\
</defs></svg>"
}

/// One entry of a legend: a class, how it is drawn, and what it means.
#[derive(Debug, Clone)]
pub(crate) enum Swatch {
    /// A filled area.
    Area(&'static str, Told),
    /// A line.
    Line(&'static str, Told),
    /// A small cross.
    Cross(&'static str, Told),
}

/// Draws a legend that wraps on any width.
pub(crate) fn legend(swatches: &[Swatch]) -> String {
    let mut drawn = String::from("<ul class=\"legend\">");
    for swatch in swatches {
        let (shape, text) = match swatch {
            Swatch::Area(class, text) => {
                (format!("<rect class=\"{class} box\" x=\"1\" y=\"1\" width=\"24\" height=\"13\"/>"), text)
            }
            Swatch::Line(class, text) => (format!("<path class=\"{class}\" d=\"M0 8H26\"/>"), text),
            Swatch::Cross(class, text) => {
                (format!("<path class=\"{class}\" d=\"M9 4l7 7m0-7l-7 7\"/>"), text)
            }
        };
        let words = match text.ja == text.en {
            true => esc(&text.en),
            false => format!(
                "<span lang=\"ja\">{}</span><span lang=\"en\">{}</span>",
                esc(&text.ja),
                esc(&text.en)
            ),
        };
        drawn.push_str(&format!(
            "<li><svg width=\"26\" height=\"15\" viewBox=\"0 0 26 15\" aria-hidden=\"true\">{shape}</svg>{words}</li>"
        ));
    }
    drawn.push_str("</ul>\n");
    drawn
}

/// Returns the legend's entries for the states of replicas, from the best to the worst.
pub(crate) fn states() -> Vec<Swatch> {
    vec![
        Swatch::Area("s0", told("閲覧・記入でき、他とつながっている", "reads and writes, linked")),
        Swatch::Area("s1", told("閲覧・記入できるが孤立", "reads and writes, isolated")),
        Swatch::Area("s2", told("閲覧のみ", "reads only")),
        Swatch::Area("s3", told("停止（閲覧できない）", "down: cannot read")),
        Swatch::Area("s4", told("ディスク喪失・復元待ち", "disk lost, awaiting restore")),
    ]
}
