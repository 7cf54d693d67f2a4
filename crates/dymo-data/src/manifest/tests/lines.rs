//! Where rows begin and end, and in which line.

use super::*;

#[test]
fn an_open_quotation_mark_does_not_eat_the_rest() {
    let endless = b"id,label,split,front\np1,\"ill"
        .iter()
        .copied()
        .chain(std::iter::repeat_n(b'x', 40 << 20))
        .collect::<Vec<u8>>();
    let settings = ManifestSettings::pictures("table.csv", GRID);
    let mut rows = Rows::read(&settings, Use::Training, std::io::Cursor::new(endless)).unwrap();
    let bad = rows.next().unwrap().unwrap_err();
    assert!(bad.problems[0].to_string().contains("quotation mark left open"), "{bad:?}");
    assert!(rows.next().is_none());
}

/// The line is the one to look at, not the one where reading was given up; so it is whatever ends the lines.
#[test]
fn the_row_of_an_open_quotation_mark_is_named() {
    for ending in ["\n", "\r\n", "\r"] {
        let good = |i: usize| format!("p{i},ill,train,a.png{ending}");
        let head: String = (2..2_000).map(good).collect();
        let rest = good(2_000).repeat(usize::try_from(MAX_ROW).unwrap() / 15);
        let text = format!("id,label,split,front{ending}{head}\"p2000,ill,train,a.png{ending}{rest}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let settings = ManifestSettings::pictures(&path, GRID);
        let rows = Rows::open(&settings, Use::Training).unwrap();
        let bad: Vec<BadRow> = rows.filter_map(Result::err).collect();
        assert_eq!((bad.len(), bad[0].line), (1, 2_000), "{ending:?}");
        let said = bad[0].problems[0].to_string();
        let start = "line 2000: the row that begins here cannot be read, nor anything behind it (";
        assert!(said.starts_with(start) && said.contains("a row longer than 16 MiB"), "{said}");
        let refused = crate::init::propose(&path, &Default::default()).unwrap_err().to_string();
        assert!(refused.contains("table.csv, line 2000: the row that begins here cannot be read"), "{refused}");
    }
}

/// In a table shorter than the longest row, the rest of the file would become one row; or the rows up to the next quotation mark.
#[test]
fn rows_that_a_quotation_mark_swallows_are_told() {
    let table =
        "id,label,split,front\np1,ill,train,a.png\n\"p2,ill,train,a.png\np3,ill,test,a.png\np4,ill,test,b.png\n";
    // Opened in the last column, it leaves the number of cells what it is.
    let last = table.replace("\"p2", "p2").replace("train,a.png\np3", "train,\"a.png\np3");
    for table in [table, &last] {
        let found = problems(table);
        let cause = "a quotation mark is left open to the end of the file".to_owned();
        assert_eq!(found, [Problem::Broken { line: 3, cause }], "{table}");
    }
    let found = problems(&table.replace("p3,ill", "p3,\"ill\""));
    assert_eq!(found, [Problem::Swallowed { line: 3, last: 4, found: 3, wanted: 4 }]);
    let said = found[0].to_string();
    assert!(
        said.contains("line 3: 3 cells, wanted 4, and they go on to line 4: is a quotation mark left open?"),
        "{said}"
    );
}

/// Also where an earlier run has answered the row already, so that going on does not end as if nothing were lost.
#[test]
fn rows_lost_with_another_are_told_wherever_reading_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, "id,front\np1,a.png\np2,\"a.png\np3,a.png\n").unwrap();
    for skipped in 0..4 {
        let settings = ManifestSettings::pictures(&path, GRID);
        let mut stream = ManifestStream::open(&settings, vec!["well".into(), "ill".into()]).unwrap();
        assert!(stream.unread().is_none());
        stream.skip_rows(skipped);
        while stream.next_chunk(1).is_some() {}
        assert_eq!(stream.unread().and_then(Problem::line), Some(3), "{skipped} rows passed over");
    }
}

#[test]
fn an_open_cell_at_the_end_is_counted_as_an_editor_counts() {
    let head = "id,label,split,front\n\n\np1,ill,train,a.png\n\n";
    for last in ["\"p2,ill\np3,ill\n", "p2,ill,train,\"a\n\"\n", "p2,ill,train,\"a\"\"\n"] {
        for ending in ["\n", "\r\n", "\r"] {
            let text = format!("{head}{last}").replace('\n', ending);
            let settings = ManifestSettings::pictures("table.csv", GRID);
            let rows = Rows::read(&settings, Use::Training, std::io::Cursor::new(text.into_bytes())).unwrap();
            let lines: Vec<u64> = rows.map(|row| row.map_or_else(|bad| bad.line, |row| row.line)).collect();
            assert_eq!(lines, [4, 6], "{last:?} {ending:?}");
        }
    }
}

/// Whatever ends a line, and whatever stands between the rows.
#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let table = "id,label,split,front,note\np1,ill,train,a.png,\"two\nlines\"\n\n\np2,ill,nowhere,a.png,\n  p3,ill,test,a.png, x \np4,ill,never,b.png,\"\n\"\np5,ill,no,b.png,";
    for ending in ["\n", "\r\n", "\r"] {
        let text = table.replace('\n', ending);
        let settings = ManifestSettings::pictures("table.csv", GRID);
        let rows = Rows::read(&settings, Use::Training, std::io::Cursor::new(text.into_bytes())).unwrap();
        let lines: Vec<u64> = rows.map(|row| row.map_or_else(|bad| bad.line, |row| row.line)).collect();
        assert_eq!(lines, [2, 6, 7, 8, 10], "{ending:?}");
    }
}

/// A table longer than what is read of it at a time, its line ends on either side of the seams.
#[test]
fn lines_of_a_long_table_are_counted() {
    for ending in ["\n", "\r\n", "\r"] {
        let rows: String = (0..30_000).map(|i| format!("p{i},ill,train,a.png{ending}")).collect();
        let text = format!("id,label,split,front{ending}{rows}");
        let settings = ManifestSettings::pictures("table.csv", GRID);
        let rows = Rows::read(&settings, Use::Training, std::io::Cursor::new(text.into_bytes())).unwrap();
        let mut wanted = 2;
        for row in rows {
            let row = row.unwrap();
            assert_eq!((row.line, row.id), (wanted, format!("p{}", wanted - 2)));
            wanted += 1;
        }
        assert_eq!(wanted, 30_002);
    }
}
