//! The allocation endpoint as the other peers have it, in Rust: campaigns in memory, a scan for every
//! request. So what an index gains is not taken for what a language gains. HTTP is the standard
//! library's sockets, one connection at a time.
//!
//! `bench-scan ADDRESS FOLDER`
#![forbid(unsafe_code)]

use std::{
    env,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use bench_selection::{
    scan::{Candidate, Viewer, best_tier},
    workload::Workload,
};
use domain::{
    DeviceKey, Instant, RandomId,
    allocation::{Answer, Item, PlacementRequest, Request},
    key_of,
    tracking::{Token, sign},
};
use rand::{Rng, RngExt as _, seq::IndexedRandom as _};

const TTL_S: u32 = 60;
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().context("expected an address")?;
    let folder = arguments.next().context("expected the workload's folder")?;
    let listener = TcpListener::bind(&address)?;
    let workload = Workload::read(Path::new(&folder))?;
    for stream in listener.incoming() {
        // A client that breaks off ends its connection, not the server.
        if let Err(error) = serve(stream?, &workload) {
            writeln!(io::stderr(), "bench-scan: {error:#}")?;
        }
    }
    Ok(())
}

fn serve(mut stream: TcpStream, workload: &Workload) -> Result<()> {
    stream.set_nodelay(true)?;
    let origin = format!("http://{}", stream.local_addr()?);
    let mut requests = BufReader::new(stream.try_clone()?);
    while let Some((target, body)) = read(&mut requests)? {
        let answer = match target.split_once('?') {
            None if target == "/v1/allocations" => allocate(&body, &origin, workload),
            Some(("/eligible", query)) => eligible(query, workload),
            _ => Err(anyhow::anyhow!("no such path")),
        };
        let (status, body) = match answer {
            Ok(body) => ("200 OK", body),
            Err(error) => ("400 Bad Request", serde_json::to_vec(&error.to_string())?),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

/// Which ad or content this device sees now: of the first placement, one slot after the other.
fn allocate(body: &[u8], origin: &str, workload: &Workload) -> Result<Vec<u8>> {
    let request: Request =
        domain::validation::parse(body).map_err(|rejection| anyhow::anyhow!("{rejection:?}"))?;
    let now = now();
    let mut rng = rand::rng();
    let request_id = RandomId::new(now, &mut rng);
    let expires_at = now + TOKEN_LIFETIME;
    let viewer = Viewer::new(&request, Some(&workload.profile), now);
    let mut items = Vec::new();
    for placement in &request.placements {
        let eligible = workload.scan.eligible(placement, &viewer);
        for (slot, candidate) in (0..).zip(drawn(&best_tier(&eligible), placement, &mut rng)) {
            let creatives = &candidate.campaign.creatives;
            let Ok(creative) = creatives.choose_weighted(&mut rng, |one| one.weight) else {
                continue;
            };
            let budget = candidate.campaign.budget.as_ref();
            let token = Token {
                request: *request_id.as_bytes(),
                slot,
                campaign: key_of(&candidate.id),
                creative: key_of(&creative.id),
                placement: key_of(&placement.id),
                issue_minute: now.as_minutes(),
                device: request.device.id.as_ref().map(DeviceKey::of),
                pricing: budget.map(|budget| budget.pricing),
                price_micros: budget.and_then(|budget| budget.price_micros).unwrap_or(0),
                lease: None,
                expires_at,
            };
            let token = sign(&workload.keys, &token);
            items.push(Item {
                placement: &placement.id,
                slot,
                r#type: &creative.r#type,
                campaign_id: &candidate.id,
                creative_id: &creative.id,
                assets: creative.assets.as_raw(),
                impression_url: format!("{origin}/v1/t/imp/{token}"),
                click_url: format!("{origin}/v1/t/clk/{token}"),
                expires_at,
            });
        }
    }
    let fallback = items.is_empty();
    Ok(serde_json::to_vec(&Answer {
        request_id,
        ttl_s: TTL_S,
        items,
        fallback,
        explain: None,
    })?)
}

/// As many as there are slots, by weight without replacement (Efraimidis and Spirakis): the smallest
/// `-ln(u)/w` win.
fn drawn<'s>(
    tier: &[&'s Candidate],
    placement: &PlacementRequest,
    rng: &mut impl Rng,
) -> Vec<&'s Candidate> {
    let mut keyed: Vec<_> = tier
        .iter()
        .map(|candidate| {
            let weight = f64::from(candidate.campaign.weight);
            (-(1.0 - rng.random::<f64>()).ln() / weight, *candidate)
        })
        .collect();
    let count = usize::from(placement.count).min(keyed.len());
    if count < keyed.len() {
        keyed.select_nth_unstable_by(count, |a, b| a.0.total_cmp(&b.0));
    }
    keyed.truncate(count);
    keyed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The ids of all campaigns that the first placement of a request may be given at a time.
fn eligible(query: &str, workload: &Workload) -> Result<Vec<u8>> {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    };
    let number: usize = value("request").context("no request")?.parse()?;
    let at: Instant = value("at").context("no at")?.parse()?;
    let request = workload.requests.get(number).context("no such request")?;
    let placement = request.placements.first().context("no placement")?;
    let viewer = Viewer::new(request, Some(&workload.profile), at);
    let eligible = workload.scan.eligible(placement, &viewer);
    let mut ids: Vec<_> = eligible.iter().map(|candidate| &candidate.id).collect();
    ids.sort_unstable();
    Ok(serde_json::to_vec(&ids)?)
}

/// Reads one request: its target and its body; `None` at the end of the connection.
fn read(requests: &mut BufReader<TcpStream>) -> Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if requests.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).context("no target")?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        requests.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body)?;
    Ok(Some((target, body)))
}

fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Instant::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
