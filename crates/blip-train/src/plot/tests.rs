//! Logs and their pictures.

use std::collections::BTreeSet;

use plotters::coord::ranged1d::Ranged;
use plotters_backend::DrawingBackend;

use super::canvas::*;
use super::draw::*;
use super::log::*;
use super::panel::*;
use super::*;

const LINE: &str = concat!(
    r#"{"step":10,"epoch":0,"learning_rate":5e-05,"loss":13.25,"loss_ita":7.5,"loss_itm":0.75,"#,
    r#""loss_lm":5,"grad_norm":25.8,"seconds":16.1}"#,
);

/// A folder with a log of these bytes.
fn folder(log: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (log_path, png) = (folder.path().join("log.jsonl"), folder.path().join("log.png"));
    fs::write(&log_path, log).unwrap();
    (folder, log_path, png)
}

fn read(log: impl AsRef<[u8]>) -> Result<Records, PlotError> {
    let (_folder, path, _) = folder(log);
    read_log(&path)
}

/// What `log` is drawn as, read back from the file.
fn picture(log: impl AsRef<[u8]>) -> RgbImage {
    let (_folder, log, png) = folder(log);
    plot_log(&log, &png).unwrap();
    image::open(&png).unwrap().into_rgb8()
}

/// A run whose losses fall and are not smooth.
fn run(steps: usize, parts: usize) -> String {
    let mut log = String::new();
    for step in 0..steps {
        let loss = 10.0 - 8.0 * step as f64 / steps as f64 + 0.7 * (step as f64 * 2.1).sin();
        log += &format!(
            r#"{{"step":{},"learning_rate":{},"loss":{loss}"#,
            step * 10,
            1e-4 * loss
        );
        for part in 0..parts {
            log += &format!(r#","part_{part}":{}"#, loss / (part + 2) as f64);
        }
        log += "}\n";
    }
    log
}

fn places(image: &RgbImage, colour: RGBColor) -> Vec<(u32, u32)> {
    let found = image
        .enumerate_pixels()
        .filter(|(.., found)| **found == pixel(colour));
    found.map(|(x, y, _)| (x, y)).collect()
}

fn middle(places: &[(u32, u32)]) -> (f64, f64) {
    let count = places.len() as f64;
    let sum = places
        .iter()
        .fold((0, 0), |sum, place| (sum.0 + place.0, sum.1 + place.1));
    (f64::from(sum.0) / count, f64::from(sum.1) / count)
}

#[test]
fn a_line_is_read_into_the_loss_its_parts_and_the_learning_rate() {
    let records = read(format!("{LINE}\n\n")).unwrap();
    assert_eq!(records.loss, [(10.0, 13.25)]);
    assert_eq!(records.learning_rate, [(10.0, 5e-5)]);
    let parts: Vec<_> = records.parts.into_iter().collect();
    let part = |name: &str, value| (name.to_owned(), vec![(10.0, value)]);
    assert_eq!(
        parts,
        [
            part("loss_ita", 7.5),
            part("loss_itm", 0.75),
            part("loss_lm", 5.0)
        ]
    );
}

#[test]
fn what_is_no_finite_number_is_skipped() {
    let log = r#"
        {"step": 1, "loss": null, "a": 1}
        {"step": 2, "loss": NaN, "a": 2, "NaN \" Infinity": 5}
        {"step": 3, "loss": -Infinity, "a": Infinity}
        {"step": 4, "loss": 1e39, "a": -1e39}
        {"step": 5, "loss": 7}"#;
    let records = read(log).unwrap();
    assert_eq!(records.loss, [(5.0, 7.0)]);
    assert_eq!(records.parts["a"], [(1.0, 1.0), (2.0, 2.0)]);
    assert_eq!(records.parts["NaN \" Infinity"], [(2.0, 5.0)]);
}

#[test]
fn a_last_line_is_ignored_wherever_it_is_cut_off() {
    let last = r#"{"step":20,"loss":NaN,"a\u00e9é":-Infinity,"loss_lm":-1.5e-3,"b":null}"#;
    let whole = read(format!("{LINE}\n")).unwrap();
    for cut in 0..last.len() {
        let log = [LINE.as_bytes(), b"\n", &last.as_bytes()[..cut]].concat();
        let read = read(log).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(read, whole, "cut at {cut}");
    }
    // All of it is there, only the line break is missing.
    let read = read(format!("{LINE}\n{last}")).unwrap();
    assert_eq!(read.parts["loss_lm"], [(10.0, 5.0), (20.0, -1.5e-3)]);
}

#[test]
fn other_broken_lines_are_errors() {
    let object = "expected a JSON object, got";
    for (broken, expected) in [
        (r#"{"step":20,"loss":1"#, format!("{object} no JSON (")),
        ("nonsense", format!("{object} no JSON (")),
        (r#"{"step":20} {"step":30}"#, format!("{object} no JSON (")),
        ("[1, 2]", format!("{object} a list")),
        ("7", format!("{object} 7")),
        ("{}", "step: expected a whole number, got nothing".to_owned()),
        (
            r#"{"step":1.5}"#,
            "step: expected a whole number, got 1.5".to_owned(),
        ),
        (
            r#"{"step":-1}"#,
            "step: expected a whole number, got -1".to_owned(),
        ),
        (
            r#"{"step":1,"loss":"7"}"#,
            r#"loss: expected a number or null, got "7""#.to_owned(),
        ),
        (
            r#"{"step":1,"a":{}}"#,
            "a: expected a number or null, got an object".to_owned(),
        ),
    ] {
        for log in [
            format!("{LINE}\n{broken}\n{LINE}\n"),
            format!("{LINE}\n{broken}\n"),
        ] {
            match read(&log) {
                Err(PlotError::Line { line: 2, what, .. }) => {
                    assert!(what.starts_with(&expected), "{broken}: {what}");
                }
                other => panic!("{broken}: {other:?}"),
            }
        }
    }
    // Its end is there, so it was not cut off.
    let error = read(format!("{LINE}\nnonsense")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("log.jsonl, line 2: expected a JSON object, got no JSON"),
        "{error}"
    );
}

#[test]
fn a_log_without_values_is_empty() {
    for log in [
        "",
        "\n",
        r#"{"step":1,"lo"#,
        "{\"step\":1,\"loss\":null,\"seconds\":2.5}\n",
    ] {
        let (_folder, log, png) = folder(log);
        let error = plot_log(&log, &png).unwrap_err();
        assert!(
            matches!(&error, PlotError::Empty { path } if *path == log),
            "{error:?}"
        );
        assert!(!png.exists());
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (folder, log, png) = folder(LINE);
    let missing = folder.path().join("missing");
    match plot_log(&missing, &png) {
        Err(PlotError::Io { action, path, source }) => {
            assert_eq!((action, path), ("read", missing.clone()));
            assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
    let error = plot_log(&log, &missing.join("log.png")).unwrap_err();
    assert!(
        matches!(error, PlotError::Io { action: "write", .. }),
        "{error:?}"
    );
    // A folder is in the place of the picture; nothing is left beside it.
    fs::create_dir_all(png.join("taken")).unwrap();
    let error = plot_log(&log, &png).unwrap_err();
    assert!(
        matches!(&error, PlotError::Io { action: "rename to", path, .. } if *path == png),
        "{error:?}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_picture_takes_the_place_of_an_older_one() {
    let (folder, log, png) = folder(run(30, 1));
    fs::write(&png, "older").unwrap();
    plot_log(&log, &png).unwrap();
    assert_eq!(image::open(&png).unwrap().into_rgb8().dimensions(), (1200, 800));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn each_curve_has_its_colour_and_its_panel() {
    let image = picture(run(200, 3));
    assert_eq!(image.dimensions(), (1200, 800));
    for (colour, left, top, width) in [
        (LOSS, 0, 0, 600),
        (PARTS[0], 0, 400, 400),
        (PARTS[1], 400, 400, 400),
        (PARTS[2], 800, 400, 400),
    ] {
        for (colour, least) in [(colour, 300), (faint(colour), 100)] {
            let places = places(&image, colour);
            assert!(places.len() > least, "{colour:?}: {}", places.len());
            let inside =
                |&(x, y): &(u32, u32)| (left..left + width).contains(&x) && (top..top + 400).contains(&y);
            assert!(places.iter().all(inside), "{colour:?} is in another panel");
        }
    }
    let rates = places(&image, LEARNING_RATE);
    assert!(rates.len() > 300 && rates.iter().all(|&(x, y)| x >= 600 && y < 400));
    assert!(places(&image, PARTS[3]).is_empty(), "there is no fourth part");
    // Titles, labels and grids.
    assert!(places(&image, INK).len() > 200);
    assert!(places(&image, PALE_INK).len() > 100);
    assert!(places(&image, GRID).len() > 10_000);
}

#[test]
fn a_loss_that_falls_goes_down_from_left_to_right() {
    let places = places(&picture(run(200, 0)), LOSS);
    let (from, to) = bounds(places.iter().map(|place| f64::from(place.0))).unwrap();
    let part = |low: f64, high: f64| {
        let inside = |place: &&(u32, u32)| (low..=high).contains(&f64::from(place.0));
        middle(&places.iter().filter(inside).copied().collect::<Vec<_>>()).1
    };
    let (left, centre, right) = (
        part(from, from + 50.0),
        part(from + 200.0, to - 200.0),
        part(to - 50.0, to),
    );
    assert!(
        left + 50.0 < centre && centre + 50.0 < right,
        "{left} {centre} {right}"
    );
}

#[test]
fn a_log_of_one_line_is_a_dot_in_the_middle_of_each_panel() {
    let image = picture(LINE);
    for (colour, left, top, width) in [
        (LOSS, 0, 0, 600),
        (PARTS[0], 0, 400, 400),
        (PARTS[1], 400, 400, 400),
        (PARTS[2], 800, 400, 400),
    ] {
        let places = places(&image, colour);
        assert!((20..80).contains(&places.len()), "{colour:?}: {}", places.len());
        let (x, y) = middle(&places);
        // The axes are on the left and below, the title above.
        assert!((x - f64::from(left + width / 2)).abs() < 40.0, "{colour:?}: {x}");
        assert!((y - f64::from(top + 193)).abs() < 5.0, "{colour:?}: {y}");
    }
    assert!(!places(&image, LEARNING_RATE).is_empty());
}

#[test]
fn curves_are_smooth_to_a_part_of_a_pixel() {
    let mut image = RgbImage::from_pixel(20, 20, pixel(PAPER));
    let mut canvas = Canvas { image: &mut image };
    let middle = sub(10) - SUBPIXELS / 2;
    let curve = [(sub(4), middle), (sub(10), middle), (sub(16), middle)];
    canvas.draw_path(curve, &line(INK, 1.0)).unwrap();
    let grid = [(sub(4), sub(2) + 3), (sub(16), sub(2) + 3)];
    canvas.draw_path(grid, &line(GRID, 1.0)).unwrap();
    // A pixel between two rows is half in each, and where two segments meet it is covered once.
    let half = RGBColor(147, 150, 155);
    let rows = (4..17).flat_map(|x| [(x, 9), (x, 10)]).collect::<BTreeSet<_>>();
    assert_eq!(places(&image, half).into_iter().collect::<BTreeSet<_>>(), rows);
    // A line of the grid is one row, wherever it is.
    assert_eq!(places(&image, GRID), (4..17).map(|x| (x, 2)).collect::<Vec<_>>());
    // Off the picture is no panic.
    let mut canvas = Canvas { image: &mut image };
    canvas
        .draw_path(
            [(-sub(50), -sub(9)), (sub(90), sub(3)), (sub(5), sub(99))],
            &line(INK, 3.0),
        )
        .unwrap();
}

#[test]
fn a_running_mean_is_of_the_last_values() {
    let points = |values: [f64; 5]| {
        values
            .iter()
            .enumerate()
            .map(|(x, y)| (x as f64, *y))
            .collect::<Vec<_>>()
    };
    let log = points([1.0, 3.0, 1e30, 5.0, 7.0]);
    assert_eq!(running_mean(&log, 1), log);
    assert_eq!(running_mean(&log, 2), points([1.0, 2.0, 5e29, 5e29, 6.0]));
}

#[test]
fn ticks_are_multiples_of_1_2_or_5() {
    let labels = |low: f64, high: f64, count| {
        let ticks = ticks(&(low..high), count, f64::MIN_POSITIVE);
        assert!(
            ticks.iter().all(|tick| (low..=high).contains(&tick.0)),
            "{ticks:?}"
        );
        ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>()
    };
    assert_eq!(labels(0.0, 13.9, 5), ["0", "5", "10"]);
    assert_eq!(
        labels(0.0, 1.0, 5),
        ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|x| x.replace("0.0", "0"))
    );
    assert_eq!(labels(-1.0, 1.0, 4), ["-1.0", "-0.5", "0", "0.5", "1.0"]);
    assert_eq!(labels(0.6505, 0.6531, 3), ["0.651", "0.652", "0.653"]);
    assert_eq!(labels(0.0, 1.6e-4, 4), ["0", "5e-5", "1e-4", "1.5e-4"]);
    assert_eq!(labels(0.0, 3e38, 3), ["0", "1e38", "2e38", "3e38"]);
    assert_eq!(labels(0.3, 0.9, 1), [""; 0]);
}

#[test]
fn steps_have_whole_ticks() {
    let labels = |axis: Axis| axis.ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>();
    assert_eq!(
        labels(Axis::steps(10.0, 2020.0, 520)),
        ["0", "500", "1000", "1500", "2000"]
    );
    assert_eq!(labels(Axis::steps(1.0, 3.0, 520)), ["1", "2", "3"]);
    assert_eq!(labels(Axis::steps(7.0, 7.0, 520)), ["6", "7", "8"]);
    assert_eq!(
        labels(Axis::steps(0.0, 4e6, 280)),
        ["0", "1000000", "2000000", "3000000", "4000000"]
    );
}

#[test]
fn an_axis_goes_from_its_start_to_its_end() {
    let axis = Axis::steps(0.0, 200.0, 520);
    let at = |limits| [0.0, 50.0, 200.0].map(|step| axis.map(&step, limits));
    assert_eq!(at((80, 480)), [80, 180, 480]);
    // Rows of pixels are counted from the top.
    assert_eq!(at((400, 0)), [400, 300, 0]);
}

#[test]
fn an_axis_holds_its_values() {
    for (low, high) in [
        (3.5, 13.5),
        (0.28, 0.66),
        (5.0, 5.0),
        (0.0, 0.0),
        (-2.0, -2.0),
        (1.0, 1.000_000_1),
        (-3e38, 3e38),
        (1e-45, 1e-45),
        (-7.0, -1.0),
    ] {
        let Axis { range, ticks } = Axis::values(low, high);
        assert!(range.start <= low && high < range.end, "{low}..{high}: {range:?}");
        assert!((3..=12).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
        let mut labels: Vec<_> = ticks.iter().map(|tick| &tick.1).collect();
        labels.dedup();
        assert_eq!(labels.len(), ticks.len(), "{low}..{high}: {ticks:?}");
    }
    assert_eq!(Axis::values(2.0, 10.0).range.start, 0.0);
    assert!(Axis::values(6.0, 10.0).range.start > 5.0);
}

#[test]
fn rows_are_filled_evenly() {
    let rows = |parts| {
        let rows = panels(read(run(3, parts)).unwrap());
        rows.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(rows(0), [2]);
    assert_eq!(rows(3), [2, 3]);
    assert_eq!(rows(4), [2, 2, 2]);
    assert_eq!(rows(5), [2, 3, 2]);
    assert_eq!(rows(7), [2, 3, 2, 2]);
    assert!(panels(Records::default()).is_empty());
}

#[test]
fn thirty_parts_are_drawn_and_no_more() {
    assert_eq!(picture(run(2, 30)).dimensions(), (1200, 4400));
    let (_folder, log, png) = folder(run(2, 31));
    match plot_log(&log, &png) {
        Err(PlotError::Draw { what, .. }) => assert_eq!(what, "expected at most 30 loss parts, got 31"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_long_name_stays_in_its_panel() {
    let name = "é".repeat(200);
    let image = picture(format!(r#"{{"step":1,"{name}":1,"a":1,"b":2}}"#));
    // One row of three panels, `é` in the last of them.
    assert_eq!(image.dimensions(), (1200, 400));
    let (left, right) = bounds(places(&image, INK).iter().map(|place| f64::from(place.0))).unwrap();
    assert!(
        left < 40.0 && (1100.0..1200.0 - f64::from(RIGHT_MARGIN)).contains(&right),
        "{left} {right}"
    );
}
