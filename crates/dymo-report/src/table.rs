//! Tables: the same rows become a CSV file with every digit and a table on the page with as many as help.

use crate::findings::thousands;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Count(usize),
    /// A share in 0..1, per cent on the page.
    Share(f64),
    /// A difference of shares, signed points on the page.
    Points(f64),
    Number(f64),
}

impl Cell {
    /// Every digit; empty where unknown.
    fn csv(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(n) => n.to_string(),
            Self::Share(v) | Self::Points(v) | Self::Number(v) if v.is_finite() => v.to_string(),
            _ => String::new(),
        }
    }

    /// As on the page.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(n) => thousands(*n),
            Self::Share(v) if v.is_finite() => format!("{:.2}", v * 100.0),
            Self::Points(v) if v.is_finite() => format!("{:+.2}", v * 100.0).replace('-', "−"),
            Self::Number(v) => number(*v),
            _ => "–".into(),
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}

/// A number with about four significant digits.
pub(crate) fn number(v: f64) -> String {
    let size = v.abs();
    if !v.is_finite() {
        return "–".into();
    }
    let text = if v == 0.0 || (size.fract() == 0.0 && size < 1e6) {
        format!("{v}")
    } else if !(1e-3..1e6).contains(&size) {
        format!("{v:.2e}")
    } else if size < 10.0 {
        format!("{v:.3}")
    } else {
        format!("{v:.1}")
    };
    text.replace('-', "−")
}

/// A table with a name that is its file's, too.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// File name without `.csv`.
    pub name: &'static str,
    /// `(name in CSV, name on the page)`.
    pub columns: Vec<(&'static str, &'static str)>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The table as CSV, header first, lines ended by LF.
    pub(crate) fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|(csv, _)| csv))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(Cell::csv))?;
        }
        writer.into_inner().map_err(|e| e.into_error().into())
    }
}
