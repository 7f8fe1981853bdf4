//! A bar with losses and the time that is left.

use blip_train::StepReport;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a run is: a bar on a terminal, a line now and then elsewhere.
#[derive(Debug)]
pub struct TrainingBar {
    stage: String,
    bar: ProgressBar,
}

/// Steps between two lines where there is no terminal.
const LINE_EVERY: usize = 50;

/// A bar for a run of so many steps.
pub fn progress(stage: &str, steps: usize) -> TrainingBar {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(steps as u64)
        .with_style(style)
        .with_prefix(stage.to_owned());
    TrainingBar {
        stage: stage.to_owned(),
        bar,
    }
}

impl TrainingBar {
    /// Shows a step.
    pub fn tell(&self, report: &StepReport) {
        let parts: Vec<String> = report
            .parts
            .iter()
            .map(|(name, loss)| format!("{name} {loss:.3}"))
            .collect();
        let message = format!(
            "{}  lr {:.1e}  {} left",
            parts.join("  "),
            report.learning_rate,
            clock(report.seconds_left)
        );
        self.bar.set_position(report.step as u64);
        self.bar.set_message(message.clone());
        if self.bar.is_hidden() && (report.step.is_multiple_of(LINE_EVERY) || report.step == report.steps) {
            eprintln!("{} {}/{}  {message}", self.stage, report.step, report.steps);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// `1:02:03`, or `2:03`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_on_a_clock() {
        assert_eq!(clock(59.6), "1:00");
        assert_eq!(clock(3723.0), "1:02:03");
    }
}
