//! What can go wrong between a function and a service, on purpose.

use std::time::Duration;

use crate::observed::Call;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request arrives and is done, but its answer is lost with the connection.
    DropAnswer,
    /// The request arrives late.
    Delay(Duration),
    /// The connection stays open and silent for as long as the fault lasts.
    Hang,
    /// The service says that there were too many requests; nothing is done.
    Throttle,
    /// The service says that it broke; nothing is done.
    ServerError,
    /// Nobody listens: connections are refused, and those that were open are closed.
    Refuse,
}

/// A fault, and when it strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What happens.
    pub fault: Fault,
    /// Only to calls of this function.
    pub function: Option<String>,
    /// Only to this action, by its IAM name.
    pub action: Option<String>,
    /// Only to the table, secret or function of this name.
    pub resource: Option<String>,
    /// Only so many times.
    pub times: Option<u32>,
}

impl From<Fault> for Rule {
    /// To every call, until it is taken back.
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            function: None,
            action: None,
            resource: None,
            times: None,
        }
    }
}

impl Rule {
    /// Only to calls of `function`.
    #[must_use]
    pub fn of(mut self, function: &str) -> Self {
        self.function = Some(function.to_owned());
        self
    }

    /// Only to `action`, such as `dynamodb:Query`.
    #[must_use]
    pub fn on(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Only to `resource`, by its name.
    #[must_use]
    pub fn at(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// The fault for a request that makes `calls`, and one time less for the next.
    pub(crate) fn strike(&mut self, calls: &[Call]) -> Option<Fault> {
        let meant = |wanted: &Option<String>, is: fn(&Call) -> &String| {
            wanted
                .as_ref()
                .is_none_or(|name| calls.iter().any(|call| is(call) == name))
        };
        let strikes = self.times != Some(0)
            && meant(&self.function, |call| &call.function)
            && meant(&self.action, |call| &call.action)
            && meant(&self.resource, |call| &call.resource);
        if strikes {
            self.times = self.times.map(|times| times - 1);
        }
        strikes.then_some(self.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_whom_it_means_and_so_often() {
        let call = |function: &str, action: &str| Call {
            function: function.to_owned(),
            action: action.to_owned(),
            resource: "t".to_owned(),
        };
        let mut rule = Rule::from(Fault::Throttle)
            .of("track")
            .on("dynamodb:PutItem")
            .times(1);
        assert_eq!(rule.strike(&[call("track", "dynamodb:GetItem")]), None);
        assert_eq!(rule.strike(&[call("health", "dynamodb:PutItem")]), None);
        assert_eq!(rule.strike(&[]), None);
        let meant = [call("track", "dynamodb:PutItem")];
        assert_eq!(rule.strike(&meant), Some(Fault::Throttle));
        assert_eq!(rule.strike(&meant), None);
        assert_eq!(Rule::from(Fault::Hang).strike(&[]), Some(Fault::Hang));
        let mut elsewhere = Rule::from(Fault::Hang).at("another");
        assert_eq!(elsewhere.strike(&meant), None);
    }
}
