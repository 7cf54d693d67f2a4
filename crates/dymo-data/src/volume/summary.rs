//! What a file holds, for people and for machines.
use super::{Affine, AffineSource, Orientation, Statistics, Stored, Volume};
use serde::Serialize;
use std::fmt;

/// All that one wants to know of a volume before using it. Prints as a table, serialises with the same facts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Grid and frames, `[x, y, z, frames]`.
    pub shape: [usize; 4],
    /// Size of one voxel along the first three.
    pub spacing: [f64; 3],
    /// Where the first three axes grow to.
    pub orientation: Orientation,
    /// Where that is known from.
    pub affine_source: AffineSource,
    /// From voxel indices to millimetres.
    pub affine: Affine,
    /// Range, mean, spread, and the count of NaN and infinite voxels, after scaling.
    pub statistics: Statistics,
    /// How the file stored it; absent for a volume made in memory.
    pub stored: Option<Stored>,
}

impl Summary {
    pub(super) fn of(volume: &Volume) -> Self {
        let [x, y, z] = volume.grid();
        Self {
            shape: [x, y, z, volume.frames()],
            spacing: volume.spacing(),
            orientation: volume.orientation(),
            affine_source: volume.affine_source(),
            affine: *volume.affine(),
            statistics: volume.statistics(),
            stored: volume.stored().cloned(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stored) = &self.stored {
            write_stored(f, stored)?;
        }
        let [x, y, z, frames] = self.shape;
        write!(f, "shape        {x} x {y} x {z}")?;
        if frames > 1 {
            write!(f, ", {frames} frames")?;
        }
        let unit = self.stored.as_ref().map_or("", |stored| stored.unit);
        let [dx, dy, dz] = self.spacing.map(|step| Digits(step, 5));
        writeln!(
            f,
            "\nspacing      {dx} x {dy} x {dz} {}",
            if unit.is_empty() { "(unit not said, mm as a rule)" } else { unit }
        )?;
        let known = match self.affine_source {
            AffineSource::Sform => "from sform",
            AffineSource::Qform => "from qform",
            AffineSource::Assumed => "ASSUMED: the header does not say, left and right may be swapped",
            AffineSource::Given => "as given",
        };
        writeln!(f, "orientation  {} ({known})", self.orientation)?;
        let Statistics { nan, infinite, minimum, maximum, mean, deviation, finite } = self.statistics;
        let [low, high, mean, deviation] =
            [minimum.into(), maximum.into(), mean, deviation].map(|value| Digits(value, 6));
        if finite == 0 {
            write!(f, "values       none is finite")?;
        } else {
            write!(f, "values       {low} to {high}, mean {mean}, standard deviation {deviation}")?;
        }
        if nan + infinite > 0 {
            write!(f, "\nnot finite   {nan} NaN, {infinite} infinite")?;
        }
        Ok(())
    }
}

fn write_stored(f: &mut fmt::Formatter<'_>, stored: &Stored) -> fmt::Result {
    let version = match stored.version {
        super::Version::One => "NIfTI-1",
        super::Version::Two => "NIfTI-2",
    };
    let order = match stored.byte_order {
        super::ByteOrder::Little => "little-endian",
        super::ByteOrder::Big => "big-endian",
    };
    writeln!(f, "format       {version}{}", if stored.gzip { ", gzip" } else { "" })?;
    writeln!(f, "stored as    {}, {order}", stored.data_type.name())?;
    match stored.scaling {
        Some((slope, inter)) => {
            writeln!(f, "scaling      value = {} * stored + {}", Digits(slope, 6), Digits(inter, 6))
        }
        None => writeln!(f, "scaling      none"),
    }
}

/// A number with so many significant digits and no trailing zeros; very large and small ones with an exponent.
struct Digits(f64, usize);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, digits) = *self;
        let exponent = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
        if !(-4..9).contains(&exponent) {
            return write!(f, "{value:.*e}", digits - 1);
        }
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        let text = format!("{value:.decimals$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.25, "1.25"),
            (0.1 + 0.2, "0.3"),
            (4095.0, "4095"),
            (-0.0125, "-0.0125"),
            (123456789.0, "123456789"),
            (1e-7, "1.00000e-7"),
            (1e12, "1.00000e12"),
        ];
        for (value, text) in cases {
            assert_eq!(Digits(value, 6).to_string(), text);
        }
    }

    #[test]
    fn a_volume_made_in_memory() {
        let mut data = Array4::from_shape_fn((2, 2, 2, 2), |(x, ..)| x as f32);
        data[[0, 0, 0, 0]] = f32::NAN;
        let affine = [[-1.5, 0., 0., 0.], [0., -1.5, 0., 0.], [0., 0., 8., 0.], [0., 0., 0., 1.]];
        let summary = Volume::new(data, affine).unwrap().summary();
        let lines: Vec<_> = summary.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "shape        2 x 2 x 2, 2 frames");
        assert_eq!(lines[1], "spacing      1.5 x 1.5 x 8 (unit not said, mm as a rule)");
        assert_eq!(lines[2], "orientation  LPS (as given)");
        assert_eq!(lines[4], "not finite   1 NaN, 0 infinite");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!((&json["orientation"], &json["statistics"]["nan"]), (&"LPS".into(), &1.into()));
    }
}
