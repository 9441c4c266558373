//! Label selectors: what the API server's own validation demands of keys, operators and values, and MetalLB's rules against
//! repetitions (MetalLB behaviour 3.2).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::Report;
use crate::model::{ObjectName, Requirement, Selector};

/// Longest name of a label, and longest value.
const LONGEST_NAME: usize = 63;
/// Longest prefix of a label's key: that of a DNS name.
const LONGEST_PREFIX: usize = 253;

/// Whether equal entries are a fault. They do no harm; MetalLB refuses them in some lists and not in others, and so do we.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetitions {
    /// They are.
    Refused,
    /// They are not.
    Taken,
}

/// What these select; `None` if one of them breaks a rule.
#[must_use]
pub fn selectors(selectors: &[LabelSelector]) -> Option<Vec<Selector>> {
    let object = ObjectName { kind: "LabelSelector", namespace: String::new(), name: String::new() };
    let mut report = Report { object, faults: Vec::new() };
    let read = report.selectors("", selectors);
    report.done(read).ok()
}

impl Report {
    /// The selectors of a list that has no two equal ones.
    pub(super) fn selectors(&mut self, field: &str, selectors: &[LabelSelector]) -> Vec<Selector> {
        let plain: Vec<_> = selectors.iter().map(normal).collect();
        for (index, one) in plain.iter().enumerate() {
            if let Some(first) = plain[..index].iter().position(|other| other == one) {
                self.fault(
                    &format!("{field}[{index}]"),
                    &shown(one),
                    format!("repeats {field}[{first}]"),
                    "write it once",
                );
            }
        }
        selectors
            .iter()
            .enumerate()
            .map(|(index, one)| self.selector(&format!("{field}[{index}]"), one, Repetitions::Refused))
            .collect()
    }

    /// One selector. An empty one selects everything.
    pub(super) fn selector(&mut self, field: &str, selector: &LabelSelector, repetitions: Repetitions) -> Selector {
        let mut requirements = Vec::new();
        for (key, value) in selector.match_labels.iter().flatten() {
            let field = format!("{field}.matchLabels");
            self.key(&field, key);
            self.value(&format!("{field}[{key}]"), value);
            requirements.push(Requirement::In(key.clone(), [value.clone()].into()));
        }
        let expressions = selector.match_expressions.as_deref().unwrap_or_default();
        for (index, expression) in expressions.iter().enumerate() {
            let field = format!("{field}.matchExpressions[{index}]");
            requirements.extend(self.expression(&field, expression));
            if repetitions == Repetitions::Refused {
                self.unique(&format!("{field}.values"), expression.values.as_deref().unwrap_or_default());
                let plain = normal_expression(expression);
                if expressions[..index].iter().any(|other| normal_expression(other) == plain) {
                    self.fault(&field, &shown_expression(&plain), "repeats an expression before it", "write it once");
                }
            }
        }
        Selector::new(requirements)
    }

    fn expression(&mut self, field: &str, expression: &LabelSelectorRequirement) -> Option<Requirement> {
        let LabelSelectorRequirement { key, operator, values } = expression;
        let values = values.as_deref().unwrap_or_default();
        self.key(&format!("{field}.key"), key);
        for (index, value) in values.iter().enumerate() {
            self.value(&format!("{field}.values[{index}]"), value);
        }
        let listed = match operator.as_str() {
            "In" | "NotIn" => true,
            "Exists" | "DoesNotExist" => false,
            _ => {
                let field = format!("{field}.operator");
                self.fault(&field, operator, "is no operator", "write In, NotIn, Exists or DoesNotExist");
                return None;
            }
        };
        if listed == values.is_empty() {
            let (rule, remedy) = if listed {
                (
                    format!("is empty, but {operator} compares with values"),
                    "list at least one value, or use Exists or DoesNotExist",
                )
            } else {
                (
                    format!("is not empty, but {operator} compares with no value"),
                    "remove the values, or use In or NotIn",
                )
            };
            self.fault(&format!("{field}.values"), &values.join(", "), rule, remedy);
        }
        let (key, set) = (key.clone(), values.iter().cloned().collect());
        Some(match operator.as_str() {
            "In" => Requirement::In(key, set),
            "NotIn" => Requirement::NotIn(key, set),
            "Exists" => Requirement::Exists(key),
            _ => Requirement::DoesNotExist(key),
        })
    }

    fn key(&mut self, field: &str, key: &str) {
        let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
        if name.is_empty() || !is_name(name) {
            self.fault(
                field,
                key,
                "is no key of a label",
                "use 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit; a prefix ends with one '/'",
            );
        }
        if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
            self.fault(
                field,
                key,
                "has a prefix that is no DNS name",
                "use lower-case letters, digits, '-' and '.' before the '/', at most 253 characters",
            );
        }
    }

    fn value(&mut self, field: &str, value: &str) {
        if !is_name(value) {
            self.fault(
                field,
                value,
                "cannot be the value of a label",
                "use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
            );
        }
    }
}

/// What labels are made of; the empty text too, which is a value but no name.
fn is_name(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LONGEST_NAME
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LONGEST_PREFIX
        && text.split('.').all(|label| {
            !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
        })
}

/// The same for selectors that MetalLB takes for equal: values in order, absent and empty lists alike.
fn normal(selector: &LabelSelector) -> LabelSelector {
    let expressions = selector.match_expressions.iter().flatten().map(normal_expression).collect();
    LabelSelector {
        match_expressions: Some(expressions),
        match_labels: Some(selector.match_labels.clone().unwrap_or_default()),
    }
}

fn normal_expression(expression: &LabelSelectorRequirement) -> LabelSelectorRequirement {
    let mut values = expression.values.clone().unwrap_or_default();
    values.sort_unstable();
    LabelSelectorRequirement { values: Some(values), ..expression.clone() }
}

/// As in kubectl's `--selector`: `zone=a,tier in (front, back)`.
fn shown(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    labels.chain(selector.match_expressions.iter().flatten().map(shown_expression)).collect::<Vec<_>>().join(",")
}

fn shown_expression(LabelSelectorRequirement { key, operator, values }: &LabelSelectorRequirement) -> String {
    let values = values.as_deref().unwrap_or_default().join(", ");
    match operator.as_str() {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.clone(),
        "DoesNotExist" => format!("!{key}"),
        other => format!("{key} {other} ({values})"),
    }
}
