//! `x-kubernetes-validations`: rules in the Common Expression Language, compiled once and asked where they stand.
//!
//! The functions are those of Kubernetes, from the `kube-cel` crate. The walk is ours, for two reasons: an item of a
//! list map is compared with the old item of the same keys, wherever it was, and values without rules are not converted.

mod convert;
mod walk;

use kube_cel::{
    KubeCelExt,
    cel::{Context, Program, Value as Cel},
};
use serde_json::Value;

use super::schema::{FieldError, Structural};

pub(super) use walk::{has_rules, validate};

thread_local! {
    /// Registering the functions costs more than most rules; contexts cannot be shared between threads.
    static FUNCTIONS: Context<'static> = Context::default().with_all();
}

/// One compiled rule.
pub(super) struct Rule {
    program: Program,
    /// The sentence, if it has to be computed.
    message_program: Option<Program>,
    message: String,
    reason: &'static str,
    field_path: String,
    /// The rule speaks of `oldSelf`, and is skipped where there is no old value …
    transition: bool,
    /// … unless it says that it can do without.
    optional_old_self: bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("message", &self.message).finish_non_exhaustive()
    }
}

impl Rule {
    /// Compiles an entry of `x-kubernetes-validations`.
    pub(super) fn parse(rule: &Value) -> Result<Self, String> {
        let text = |key: &str| rule[key].as_str().unwrap_or_default();
        let source = text("rule");
        if source.trim().is_empty() {
            return Err("rule is required".to_owned());
        }
        let compile = |source: &str| {
            Program::compile(source).map_err(|error| format!("rule {source:?} does not compile: {error}"))
        };
        let program = compile(source)?;
        let message_program = rule["messageExpression"].as_str().map(compile).transpose()?;
        let transition = program.references().has_variable("oldSelf");
        let message = match text("message").trim() {
            "" => format!("failed rule: {}", source.trim()),
            said => said.to_owned(),
        };
        let reason = match text("reason") {
            "FieldValueRequired" => "FieldValueRequired",
            "FieldValueForbidden" => "FieldValueForbidden",
            "FieldValueDuplicate" => "FieldValueDuplicate",
            _ => "FieldValueInvalid",
        };
        let optional_old_self = rule["optionalOldSelf"] == true;
        let field_path = text("fieldPath").to_owned();
        Ok(Self { program, message_program, message, reason, field_path, transition, optional_old_self })
    }

    /// Asks the rule, and says what is wrong if it does not hold.
    fn ask(&self, path: &str, value: &Value, this: &Cel, old: Option<&Cel>) -> Option<FieldError> {
        if self.transition && old.is_none() && !self.optional_old_self {
            return None;
        }
        FUNCTIONS.with(|functions| {
            let mut context = functions.new_inner_scope();
            context.add_variable_from_value("self", this.clone());
            context.add_variable_from_value("oldSelf", old.cloned().unwrap_or(Cel::Null));
            let why = match self.program.execute(&context) {
                Ok(Cel::Bool(true)) => return None,
                Ok(Cel::Bool(false)) => self.sentence(&context),
                Ok(_) => format!("rule does not evaluate to true or false: {}", self.message),
                Err(error) => format!("rule evaluation error: {error}: {}", self.message),
            };
            Some(self.error(path, value, &why))
        })
    }

    fn sentence(&self, context: &Context<'_>) -> String {
        match self.message_program.as_ref().map(|program| program.execute(context)) {
            Some(Ok(Cel::String(said))) if !said.trim().is_empty() => said.trim().to_owned(),
            _ => self.message.clone(),
        }
    }

    fn error(&self, path: &str, value: &Value, why: &str) -> FieldError {
        let path = match self.field_path.as_str() {
            "" => path.to_owned(),
            below if path.is_empty() => below.trim_start_matches('.').to_owned(),
            below => format!("{path}{below}"),
        };
        match self.reason {
            "FieldValueRequired" => FieldError::new(&path, self.reason, format!("Required value: {why}")),
            "FieldValueForbidden" => FieldError::new(&path, self.reason, format!("Forbidden: {why}")),
            "FieldValueDuplicate" => FieldError::new(&path, self.reason, format!("Duplicate value: {why}")),
            // Structures are not repeated to who sent them.
            _ if value.is_object() || value.is_array() => {
                FieldError::new(&path, self.reason, format!("Invalid value: {why}"))
            }
            _ => FieldError::invalid(&path, value, why),
        }
    }
}

/// Asks all rules of one schema about one value.
fn ask(schema: &Structural, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    let mut rules = schema.rules().peekable();
    if rules.peek().is_none() {
        return;
    }
    let this = convert::value(schema, value, path.is_empty());
    let old = old.map(|old| convert::value(schema, old, path.is_empty()));
    errors.extend(rules.filter_map(|rule| rule.ask(path, value, &this, old.as_ref())));
}
