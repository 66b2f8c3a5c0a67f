//! What it costs: prices, which are inputs, and the arithmetic.
//!
//! On-demand list prices in dollars, without free tiers, volume tiers and savings plans, as known in
//! 2025. They change: look at [`Prices::pages`] before relying on a figure.

/// Prices of a region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prices {
    pub(crate) region: &'static str,
    /// A million invocations.
    invocations: f64,
    /// A GB-second on arm64.
    gb_second: f64,
    /// A million calls of an HTTP API of at most 512 KB.
    api_calls: f64,
    /// A million write units on demand.
    write_units: f64,
    /// A million read units on demand.
    read_units: f64,
    /// A million GETs.
    gets: f64,
    /// A million PUTs.
    puts: f64,
    /// A GB taken in by CloudWatch Logs.
    logs_gb: f64,
    /// A million traces recorded by X-Ray.
    traces: f64,
    /// A GB to the internet, in the first tier.
    out_gb: f64,
}

pub(crate) const US_EAST_1: Prices = Prices {
    region: "us-east-1",
    invocations: 0.20,
    gb_second: 0.000_013_333_4,
    api_calls: 1.00,
    write_units: 0.625,
    read_units: 0.125,
    gets: 0.40,
    puts: 5.00,
    logs_gb: 0.50,
    traces: 5.00,
    out_gb: 0.09,
};

pub(crate) const AP_NORTHEAST_2: Prices = Prices {
    region: "ap-northeast-2",
    invocations: 0.20,
    gb_second: 0.000_013_333_4,
    api_calls: 1.23,
    write_units: 0.678,
    read_units: 0.136,
    gets: 0.35,
    puts: 4.50,
    logs_gb: 0.76,
    traces: 5.00,
    out_gb: 0.126,
};

impl Prices {
    /// Where the prices are told.
    pub(crate) const fn pages() -> &'static [&'static str] {
        &[
            "https://aws.amazon.com/lambda/pricing/",
            "https://aws.amazon.com/api-gateway/pricing/",
            "https://aws.amazon.com/dynamodb/pricing/on-demand/",
            "https://aws.amazon.com/s3/pricing/",
            "https://aws.amazon.com/cloudwatch/pricing/",
            "https://aws.amazon.com/xray/pricing/",
        ]
    }
}

/// What is taken for known of one call; none of it was measured on AWS.
pub(crate) mod assumed {
    /// Memory of `allocations`, `track` and the workers, as `template.yaml` has it.
    pub(crate) const MEMORY_GB: f64 = 0.5;
    /// Billed time of an allocation: one query of a few milliseconds, and less than one of its own.
    pub(crate) const ALLOCATION_S: f64 = 0.007;
    /// Billed time of a mark: a transaction, sometimes an entry before it.
    pub(crate) const MARK_S: f64 = 0.012;
    /// Billed start of an instance, its first call's waits included.
    pub(crate) const START_S: f64 = 0.25;
    /// Billed time of a worker's run; there are two a minute.
    pub(crate) const WORKER_S: f64 = 20.0;
    /// The share of access lines that is written (`AccessLogSample` of `prd`), and their length.
    pub(crate) const LOGGED: f64 = 0.05;
    pub(crate) const LINE_BYTES: f64 = 500.0;
    /// The platform's own START, END and REPORT lines of an invocation.
    pub(crate) const PLATFORM_BYTES: f64 = 330.0;
    /// The share of requests that X-Ray's default rule records, beside one a second.
    pub(crate) const TRACED: f64 = 0.05;
    /// An answer with one or two items, and one without content, with headers.
    pub(crate) const ANSWER_BYTES: f64 = 1_600.0;
    pub(crate) const NO_CONTENT_BYTES: f64 = 250.0;
}

/// What was used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) allocations: f64,
    /// Calls of `track`.
    pub(crate) tracked: f64,
    /// Instances that were started.
    pub(crate) starts: f64,
    /// Runs of the workers.
    pub(crate) runs: f64,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    pub(crate) gets: f64,
    pub(crate) puts: f64,
    pub(crate) seconds: f64,
}

/// Dollars for a million allocations and all that follows from them, by line.
pub(crate) fn lines(used: &Used, prices: &Prices) -> Vec<(&'static str, f64)> {
    use assumed::*;
    let calls = used.allocations + used.tracked;
    let gb_seconds = |runs: f64, each_s: f64| runs * each_s * MEMORY_GB * prices.gb_second;
    let million = |count: f64, price: f64| count / 1e6 * price;
    let gb = |bytes: f64, price: f64| bytes / 1e9 * price;
    let traces = calls * TRACED + used.seconds;
    let out = used.allocations * ANSWER_BYTES + used.tracked * NO_CONTENT_BYTES;
    let whole = [
        ("HTTP API calls", million(calls, prices.api_calls)),
        ("Lambda invocations", million(calls, prices.invocations)),
        (
            "Lambda time: allocations",
            gb_seconds(used.allocations, ALLOCATION_S),
        ),
        ("Lambda time: track", gb_seconds(used.tracked, MARK_S)),
        ("Lambda time: starts", gb_seconds(used.starts, START_S)),
        ("Lambda time: workers", gb_seconds(used.runs, WORKER_S)),
        (
            "DynamoDB write units",
            million(used.write_units, prices.write_units),
        ),
        (
            "DynamoDB read units",
            million(used.read_units, prices.read_units),
        ),
        ("S3 GETs", million(used.gets, prices.gets)),
        ("S3 PUTs", million(used.puts, prices.puts)),
        (
            "Logs: access lines",
            gb(calls * LOGGED * LINE_BYTES, prices.logs_gb),
        ),
        (
            "Logs: the platform's own",
            gb(calls * PLATFORM_BYTES, prices.logs_gb),
        ),
        ("X-Ray traces", million(traces, prices.traces)),
        ("Data out", gb(out, prices.out_gb)),
    ];
    whole
        .into_iter()
        .map(|(line, dollars)| (line, dollars * 1e6 / used.allocations.max(1.0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(used: &Used, line: &str) -> f64 {
        let lines = lines(used, &US_EAST_1);
        let found = lines.iter().find(|(name, _)| *name == line);
        found.unwrap().1
    }

    #[test]
    fn lines_are_by_the_million_allocations() {
        let used = Used {
            allocations: 2e6,
            tracked: 2e6,
            write_units: 8e6,
            read_units: 1e6,
            ..Used::default()
        };
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-9;
        assert!(near(cost(&used, "HTTP API calls"), 2.0));
        assert!(near(cost(&used, "Lambda invocations"), 0.4));
        assert!(near(cost(&used, "DynamoDB write units"), 2.5));
        assert!(near(cost(&used, "DynamoDB read units"), 0.0625));
        let allocations = 1e6 * assumed::ALLOCATION_S * 0.5 * 0.000_013_333_4;
        assert!(near(cost(&used, "Lambda time: allocations"), allocations));
        assert_eq!(cost(&used, "S3 PUTs"), 0.0);
    }

    #[test]
    fn a_day_without_allocations_costs_no_infinity() {
        let lines = lines(&Used::default(), &AP_NORTHEAST_2);
        assert!(lines.iter().all(|(_, dollars)| *dollars == 0.0));
    }
}
