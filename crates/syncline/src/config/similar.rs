//! Did you mean? The nearest of the known words, if one is near.

/// The known word nearest to this one, if few letters differ, or the one that it begins. Letter case
/// and the difference between `-` and `_` cost nothing extra.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let allowed = match word.chars().count() {
        0 | 1 => 0,
        2..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let known: Vec<(Vec<char>, &str)> = known
        .into_iter()
        .filter(|other| *other != word)
        .map(|other| (fold(other), other))
        .collect();
    let near = known
        .iter()
        .map(|(letters, other)| (distance(&folded, letters), *other))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other);
    // An abbreviation stands for the first word that it begins: lists name the usual ones first.
    let begun =
        || known.iter().find(|(letters, _)| folded.len() > 2 && letters.starts_with(&folded));
    near.or_else(|| begun().map(|(_, other)| *other))
}

fn fold(word: &str) -> Vec<char> {
    word.chars()
        .take(64)
        .flat_map(char::to_lowercase)
        .map(|letter| if letter == '-' { '_' } else { letter })
        .collect()
}

/// How many letters must be put in, taken out, replaced, or swapped with their neighbour.
pub(crate) fn distance(left: &[char], right: &[char]) -> usize {
    let mut two_back: Vec<usize> = Vec::new();
    let mut back: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let at =
                |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&back, column) + usize::from(a != b))
                .min(at(&back, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = row > 0
                && column > 0
                && left.get(row - 1) == Some(b)
                && right.get(column - 1) == Some(a);
            if swapped {
                best = best.min(at(&two_back, column - 1) + 1);
            }
            current.push(best);
        }
        two_back = std::mem::replace(&mut back, current);
    }
    back.last().copied().unwrap_or(0)
}
