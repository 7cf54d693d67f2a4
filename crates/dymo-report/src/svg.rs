//! The one place where SVG is written. Text is escaped here, numbers are rounded here, so no chart can forget it.
//!
//! Colours are variables of the page's style sheet with fallbacks: one drawing serves light, dark and print, and
//! still has colours when it is saved on its own.

use std::fmt::Write;

/// Ink for text.
pub(crate) const INK: &str = "var(--ink,#1c1c1e)";
/// Ink for labels that may step back.
pub(crate) const MUTED: &str = "var(--muted,#5d5d63)";
/// Lines of a grid.
pub(crate) const GRID: &str = "var(--grid,#e2dfd8)";
/// What lies behind the drawing.
pub(crate) const PAPER: &str = "var(--paper,#fff)";

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line's look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stroke<'a> {
    pub colour: &'a str,
    pub width: f64,
    pub dash: &'a str,
}

impl<'a> Stroke<'a> {
    pub(crate) fn solid(colour: &'a str, width: f64) -> Self {
        Self { colour, width, dash: "" }
    }
}

/// A drawing of a fixed size in its own units (one unit is one CSS pixel when shown at full size).
#[derive(Debug)]
pub(crate) struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

impl Canvas {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        let (a, b, c, d) = (r(from.0), r(from.1), r(to.0), r(to.1));
        let tail = style(stroke);
        self.put(&format!(r#"<line x1="{a}" y1="{b}" x2="{c}" y2="{d}"{tail}/>"#));
    }

    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let tail = style(stroke);
        self.put(&format!(r#"<polyline points="{}" fill="none" stroke-linejoin="round"{tail}/>"#, list(points)));
    }

    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], fill: &str, opacity: f64) {
        self.put(&format!(r#"<polygon points="{}" style="fill:{fill}" fill-opacity="{}"/>"#, list(points), r(opacity)));
    }

    pub(crate) fn rect(&mut self, corner: (f64, f64), size: (f64, f64), fill: &str) {
        let (x, y, w, h) = (r(corner.0), r(corner.1), r(size.0.max(0.0)), r(size.1.max(0.0)));
        self.put(&format!(r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="1.5" style="fill:{fill}"/>"#));
    }

    /// A dot; hollow ones are filled with paper, so that lines do not show through.
    pub(crate) fn dot(&mut self, at: (f64, f64), radius: f64, colour: &str, filled: bool) {
        let fill = if filled { colour } else { PAPER };
        self.put(&format!(
            r#"<circle cx="{}" cy="{}" r="{}" style="fill:{fill};stroke:{colour}" stroke-width="1.4"/>"#,
            r(at.0),
            r(at.1),
            r(radius)
        ));
    }

    pub(crate) fn text(&mut self, at: (f64, f64), words: &str, anchor: Anchor, colour: &str) {
        self.sized_text(at, words, anchor, colour, 11.0, false);
    }

    pub(crate) fn bold(&mut self, at: (f64, f64), words: &str, anchor: Anchor, colour: &str) {
        self.sized_text(at, words, anchor, colour, 11.0, true);
    }

    pub(crate) fn sized_text(
        &mut self,
        at: (f64, f64),
        words: &str,
        anchor: Anchor,
        colour: &str,
        size: f64,
        bold: bool,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if bold { r#" font-weight="600""# } else { "" };
        self.put(&format!(
            r#"<text x="{}" y="{}" text-anchor="{anchor}" font-size="{}"{weight} style="fill:{colour}">{}</text>"#,
            r(at.0),
            r(at.1),
            r(size),
            escape(words)
        ));
    }

    fn put(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The whole `<svg>` element; `label` is what a screen reader says.
    pub(crate) fn finish(self, label: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" \
             aria-label=\"{label}\" font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif\">\n\
             <title>{label}</title>\n{body}</svg>",
            w = r(self.width),
            h = r(self.height),
            label = escape(label),
            body = self.body
        )
    }
}

fn style(stroke: Stroke) -> String {
    let mut tail = format!(r#" style="stroke:{}" stroke-width="{}""#, stroke.colour, r(stroke.width));
    if !stroke.dash.is_empty() {
        let _ = write!(tail, r#" stroke-dasharray="{}""#, stroke.dash);
    }
    tail
}

fn list(points: &[(f64, f64)]) -> String {
    let pairs: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", r(x), r(y))).collect();
    pairs.join(" ")
}

/// A coordinate with at most two decimals; what is no number lands at zero instead of breaking the drawing.
fn r(v: f64) -> String {
    if !v.is_finite() {
        return "0".into();
    }
    let text = format!("{v:.2}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".into() } else { short.into() }
}

/// Text that cannot leave its element or attribute, and holds no character that XML forbids.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.text((0.0, 0.0), "</text><script>\u{0}", Anchor::Start, INK);
        let svg = canvas.finish("\"><script>");
        assert!(!svg.contains("<script>"));
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt; "));
    }

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!(r(1.0), "1");
        assert_eq!(r(-0.001), "0");
        assert_eq!(r(2.345_6), "2.35");
        assert_eq!(r(f64::NAN), "0");
        assert_eq!(r(f64::INFINITY), "0");
    }
}
