//! What every chart with two axes shares: margins, grid, ticks and the names of the axes.

use crate::scale::Scale;
use crate::svg::{Anchor, Canvas, GRID, INK, MUTED, Stroke};

/// Width of every drawing, in CSS pixels at full size: a phone's width less its margins.
pub(crate) const WIDTH: f64 = 358.0;

/// Where the plot lies in its drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame {
    /// Horizontal axis over the plot's width, inset so that marks at its ends stay whole.
    pub(crate) fn horizontal(&self, values: (f64, f64), inset: f64) -> Scale {
        Scale::new(values, (self.left + inset, self.right - inset))
    }

    /// Vertical axis, growing upwards.
    pub(crate) fn vertical(&self, values: (f64, f64)) -> Scale {
        Scale::new(values, (self.bottom, self.top))
    }

    /// Horizontal grid lines with their values.
    pub(crate) fn grid(&self, canvas: &mut Canvas, y: &Scale, ticks: usize, text: impl Fn(f64) -> String) {
        for value in y.ticks(ticks) {
            let at = y.at(value);
            canvas.line((self.left, at), (self.right, at), Stroke::solid(GRID, 1.0));
            canvas.text((self.left - 6.0, at + 4.0), &text(value), Anchor::End, MUTED);
        }
    }

    /// Values under the plot.
    pub(crate) fn ticks_below(&self, canvas: &mut Canvas, x: &Scale, values: &[f64], text: impl Fn(f64) -> String) {
        for &value in values {
            let at = x.at(value);
            canvas.line((at, self.bottom), (at, self.bottom + 4.0), Stroke::solid(MUTED, 1.0));
            canvas.text((at, self.bottom + 16.0), &text(value), Anchor::Middle, MUTED);
        }
    }

    /// Names of the axes: the vertical one lies flat above the plot, where it can be read without tilting the head.
    pub(crate) fn names(&self, canvas: &mut Canvas, vertical: &str, horizontal: &str) {
        canvas.text((0.0, self.top - 12.0), vertical, Anchor::Start, MUTED);
        canvas.text(((self.left + self.right) / 2.0, self.bottom + 32.0), horizontal, Anchor::Middle, MUTED);
        canvas.line((self.left, self.bottom), (self.right, self.bottom), Stroke::solid(MUTED, 1.0));
    }

    /// Says that there is nothing to draw.
    pub(crate) fn nothing(&self, canvas: &mut Canvas) {
        let middle = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        canvas.text(middle, "nothing was measured", Anchor::Middle, INK);
    }
}

/// A share as whole per cent, with decimals where the step asks for them.
pub(crate) fn percent_tick(share: f64) -> String {
    let value = (share * 1e4).round() / 100.0;
    format!("{value}")
}

/// A tick's value: as few digits as it has, never the noise of binary fractions.
pub(crate) fn plain_tick(value: f64) -> String {
    let size = value.abs();
    if value != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.0e}").replace('-', "−");
    }
    format!("{}", (value * 1e6).round() / 1e6).replace('-', "−")
}
