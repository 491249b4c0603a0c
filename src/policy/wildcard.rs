//! IAM's wildcards: `*` stands for any run of characters, `/` included, and `?` for one.

/// Whether the whole text matches the pattern.
///
/// Takes time in proportion to the product of both lengths at the worst, whatever the pattern.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    run(pattern, text, |expected, found| expected == '?' || expected == found)
}

/// Whether whatever matches the narrower pattern matches the wider one too. May say no where it is so, and never
/// yes where it is not.
#[must_use]
pub fn covers(wider: &str, narrower: &str) -> bool {
    // Read as text, the narrower one's `*` is covered only by a `*`, and its `?` by either.
    run(wider, narrower, |expected, found| (expected == '?' && found != '*') || expected == found)
}

fn run(pattern: &str, text: &str, same: impl Fn(char, char) -> bool) -> bool {
    let mut pattern = pattern.chars();
    let mut text = text.chars();
    // Where the last `*` stood, and what was left of the text when it took its share.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let mut after = pattern.clone();
        match (after.next(), text.clone().next()) {
            (Some('*'), _) => {
                retry = Some((after.clone(), text.clone()));
                pattern = after;
                continue;
            }
            (Some(expected), Some(found)) if same(expected, found) => {
                pattern = after;
                text.next();
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((star, rest)) = &mut retry else { return false };
        if rest.next().is_none() {
            return false;
        }
        pattern = star.clone();
        text = rest.clone();
    }
}

/// Whether the text holds a wildcard at all.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_match_as_iam_says() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "team/app", true),
            ("team/*", "team/app", true),
            ("team/*", "team/a/b", true),
            ("team/*", "team", false),
            ("*/app", "team/app", true),
            ("*/app", "team/app/x", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1c2b", false),
            ("", "", true),
            ("", "a", false),
            ("app", "app", true),
            ("app", "apps", false),
            ("**", "a", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "`{pattern}` on `{text}`");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_is_wider_than() {
        for (wider, narrower, expected) in [
            ("*", "team/*", true),
            ("team/*", "team/app", true),
            ("team/*", "team/a?p/*", true),
            ("team/*", "*", false),
            ("team/?", "team/*", false),
            ("team/??", "team/?a", true),
            ("a*", "a*b", true),
            ("a*b", "a*", false),
        ] {
            assert_eq!(covers(wider, narrower), expected, "`{wider}` and `{narrower}`");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &"a".repeat(2_000)));
    }

    /// The textbook definition, exponential and obviously right.
    fn model(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                model(rest, text) || text.split_first().is_some_and(|(_, tail)| model(pattern, tail))
            }
            (Some((expected, rest)), Some((found, tail))) if *expected == '?' || expected == found => model(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn wildcards_match_like_the_textbook(pattern in "[ab*?]{0,8}", text in "[abc]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), model(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn what_is_covered_matches_the_wider_pattern_too(
            wider in "[ab*?]{0,6}",
            narrower in "[ab*?]{0,6}",
            text in "[ab]{0,6}",
        ) {
            if covers(&wider, &narrower) && matches(&narrower, &text) {
                prop_assert!(matches(&wider, &text));
            }
        }
    }
}
