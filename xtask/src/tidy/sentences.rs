//! Sentences of documents and help texts are short: their readers are in a hurry, and many read English as a second language.

/// Most words of a sentence.
const MAX_WORDS: usize = 25;
/// Abbreviations whose full stop ends no sentence.
const ABBREVIATIONS: [&str; 5] = ["e.g.", "i.e.", "etc.", "vs.", "No."];
/// Traits whose derivation makes a help text of doc comments.
const CLAP: [&str; 4] = ["Args", "Parser", "Subcommand", "ValueEnum"];

/// A sentence with too many words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Long {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) words: usize,
}

impl Long {
    pub(super) fn message(&self) -> String {
        format!("a sentence of {} words; {MAX_WORDS} are the most", self.words)
    }
}

/// The long sentences of a file; none where the rule does not apply. The changelog is a record and stays as it was written.
pub(super) fn long(file: &str, text: &str) -> Vec<Long> {
    if file.ends_with(".md") && file != "CHANGELOG.md" {
        of_markdown(text)
    } else if file.ends_with(".rs") && !file.contains("/tests/") {
        of_markdown(&help(text))
    } else {
        Vec::new()
    }
}

/// The doc comments that clap shows, each on its line; every other line is empty.
fn help(source: &str) -> String {
    let comment = |line: &'_ str| line.trim_start().strip_prefix("///").map(|text| text.trim().to_owned());
    let mut shown: Vec<String> = Vec::new();
    let (mut inside, mut above) = (false, 0);
    for line in source.lines() {
        let number = shown.len();
        shown.push(String::new());
        if let Some(text) = comment(line) {
            // Above an item it is not known yet whether the item is clap's.
            shown[number] = text;
            continue;
        }
        if line.starts_with("#[derive(") {
            inside = CLAP.iter().any(|name| derives(line, name));
        }
        let is_attribute = line.starts_with("#[");
        if !inside && !is_attribute {
            shown[above..number].fill(String::new());
        }
        if !is_attribute {
            above = number + 1;
        }
        inside &= line != "}";
    }
    shown.join("\n")
}

fn derives(line: &str, name: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric()).any(|word| word == name)
}

/// The long sentences of prose: code, pictures and addresses of links do not count.
fn of_markdown(text: &str) -> Vec<Long> {
    let mut prose = Prose::default();
    let (mut fenced, mut blank) = (false, true);
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let trimmed = line.trim();
        let is_code = blank && line.starts_with("    ");
        if trimmed.starts_with("```") {
            fenced = !fenced;
            prose.end();
        } else if fenced || is_code || trimmed.starts_with('<') || trimmed.is_empty() {
            prose.end();
        } else if let Some(row) = trimmed.strip_prefix('|') {
            for cell in plain(row).split('|') {
                prose.end();
                prose.add(number, cell);
            }
            prose.end();
        } else {
            if trimmed.starts_with('#') || is_item(trimmed) {
                prose.end();
            }
            prose.add(number, &plain(trimmed));
            if trimmed.starts_with('#') {
                prose.end();
            }
        }
        // A line of code is followed by code.
        blank = trimmed.is_empty() || is_code;
    }
    prose.end();
    prose.long
}

/// `- …`, `* …`, `1. …`
fn is_item(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = rest.len() < line.len() && rest.starts_with(". ");
    numbered || line.starts_with("- ") || line.starts_with("* ")
}

/// With one word for each piece of code and without the addresses of links.
fn plain(line: &str) -> String {
    let code_is_a_word: String =
        line.split('`').enumerate().map(|(index, part)| if index % 2 == 1 { "X" } else { part }).collect();
    let mut parts = code_is_a_word.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or(part, |(_, after)| after))
}

/// Counts the words of one sentence after the other.
#[derive(Default)]
struct Prose {
    words: usize,
    begin: usize,
    long: Vec<Long>,
}

impl Prose {
    fn add(&mut self, line: usize, text: &str) {
        for word in text.split_whitespace() {
            if word.chars().any(char::is_alphanumeric) {
                if self.words == 0 {
                    self.begin = line;
                }
                self.words += 1;
            }
            if ends_sentence(word) {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        if self.words > MAX_WORDS {
            self.long.push(Long { line: self.begin, words: self.words });
        }
        self.words = 0;
    }
}

fn ends_sentence(word: &str) -> bool {
    let word = word.trim_end_matches([')', '"', '\'', '*', '_', '”']);
    word.ends_with(['.', '?', '!']) && !ABBREVIATIONS.contains(&word.trim_start_matches('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: usize) -> String {
        vec!["word"; count].join(" ")
    }

    fn lines(text: &str) -> Vec<usize> {
        long("docs/a.md", text).iter().map(|long| long.line).collect()
    }

    #[test]
    fn a_sentence_has_twenty_five_words_at_most() {
        assert_eq!(lines(&format!("{}. {}.", words(25), words(25))), [0; 0]);
        let text = format!("One.\nTwo {}\n{}. Three.", words(12), words(13));
        assert_eq!(long("docs/a.md", &text), [Long { line: 2, words: 26 }]);
        assert_eq!(long("CHANGELOG.md", &text), []);
    }

    #[test]
    fn sentences_end_with_their_block() {
        let half = words(20);
        for text in [
            format!("{half}\n\n{half}"),
            format!("- {half}\n- {half}"),
            format!("1. {half}\n2. {half}"),
            format!("## {half}\n{half}"),
            format!("| {half} | {half} |\n| --- | --- |\n| {half} | {half} |"),
            format!("{half} (is it?) {half}"),
        ] {
            assert_eq!(lines(&text), [0; 0], "{text}");
        }
        assert_eq!(lines(&format!("- {half}\n  {half}")), [1]);
        assert_eq!(lines(&format!("{half}, e.g. {half}")), [1]);
        assert_eq!(lines(&format!("{half} 0.5 {half}")), [1]);
    }

    #[test]
    fn code_counts_as_a_word_and_addresses_as_none() {
        let long = words(40);
        assert_eq!(lines(&format!("Say `{long}` {}.", words(23))), [0; 0]);
        assert_eq!(lines(&format!("```text\n{long}\n```\n\n    {long}\n    {long}\n")), [0; 0]);
        assert_eq!(lines(&format!("<img alt=\"{long}\">")), [0; 0]);
        assert_eq!(lines(&format!("[{}](a b c) {}", words(12), words(13))), [0; 0]);
        assert_eq!(lines(&format!("[{}](a) {}", words(12), words(14))), [1]);
    }

    #[test]
    fn help_is_what_clap_shows() {
        let long_line = words(30);
        let source = format!(
            "//! {long_line}\n\n/// {long_line}\npub struct Plain {{\n    /// {long_line}\n    a: u8,\n}}\n\n/// {long_line}\n\
             #[derive(Clone, clap::Args)]\n#[command(name = \"x\")]\npub struct Shown {{\n    /// {long_line}\n    #[arg(long)]\n    \
             /// {long_line}\n    b: u8,\n}}\n\n/// {long_line}\nfn plain() {{}}\n\n/// {long_line}\n#[derive(Debug)]\nenum Other {{\n    /// {long_line}\n    A,\n}}\n"
        );
        let found: Vec<usize> = long("speaker/src/args.rs", &source).iter().map(|long| long.line).collect();
        assert_eq!(found, [9, 13, 15]);
    }
}
