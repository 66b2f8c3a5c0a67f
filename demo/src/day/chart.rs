//! Lines of block characters: a number in each column, as high as it is large.

/// Nothing, and eighths of a line's height.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How many columns a chart has; a day of intervals goes into them by twos.
pub(crate) const COLUMNS: usize = 48;

/// One block for each value, the highest for `top` and above. Whatever is above nothing is seen.
pub(crate) fn blocks(values: &[f64], top: f64) -> String {
    values.iter().map(|value| block(*value, top)).collect()
}

fn block(value: f64, top: f64) -> char {
    if value <= 0.0 || top <= 0.0 {
        return ' ';
    }
    let eighths = (8.0 * value / top).round().clamp(1.0, 8.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 8"
    )]
    let at = eighths as usize;
    BLOCKS.get(at).copied().unwrap_or(' ')
}

/// The hours above a chart.
pub(crate) fn hours() -> String {
    (0..24)
        .step_by(3)
        .map(|hour| format!("{hour:02}    "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_high_as_its_part_of_the_top() {
        assert_eq!(blocks(&[0.0, 1.0, 4.0, 8.0, 9.0], 8.0), " ▁▄██");
        assert_eq!(blocks(&[0.001, -1.0], 8.0), "▁ ");
        assert_eq!(blocks(&[1.0], 0.0), " ");
    }

    #[test]
    fn the_hours_are_as_wide_as_the_chart() {
        assert_eq!(hours().len(), COLUMNS);
        assert!(hours().starts_with("00    03"));
    }
}
