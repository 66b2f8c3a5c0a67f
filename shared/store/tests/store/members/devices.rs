//! Who else signed in on a device.

use domain::DeviceKey;
use store::members::DeviceSharing;

use super::*;

async fn sign_in_at(town: &Town, who: &str, device: &str, now: Instant) -> MemberId {
    let who = subject(who);
    let identity = identity(Provider::Google, &who);
    let signed_in = town.try_sign_in(&identity, device, now).await;
    entered(signed_in).member.member.id
}

#[tokio::test]
async fn who_signed_in_on_a_device_later_is_known_while_their_session_could_live() {
    let town = Town::start().await;
    let at = |seconds| NOON + Duration::from_secs(seconds);
    let first = sign_in_at(&town, "first", "shared-phone-example-01", at(0)).await;
    let key = DeviceKey::of(&"shared-phone-example-01".parse().unwrap());
    let sharing = async |member, now| {
        let sharing = town.members.device_sharing(key, member, now);
        let DeviceSharing { alone, later } = sharing.await.unwrap();
        (alone, later)
    };
    assert_eq!(sharing(first, at(0)).await, (true, None));
    let second = sign_in_at(&town, "second", "shared-phone-example-01", at(10)).await;
    let third = sign_in_at(&town, "third", "shared-phone-example-01", at(20)).await;
    sign_in_at(&town, "elsewhere", "another-phone-example-01", at(30)).await;
    assert_eq!(sharing(first, at(30)).await, (false, Some(at(10))));
    assert_eq!(sharing(second, at(30)).await, (false, Some(at(20))));
    assert_eq!(sharing(third, at(30)).await, (false, None));
    assert_eq!(
        sign_in_at(&town, "first", "shared-phone-example-01", at(40)).await,
        first
    );
    assert_eq!(sharing(first, at(40)).await, (false, None));
    assert_eq!(sharing(third, at(40)).await, (false, Some(at(40))));
    let over = at(40) + TERMS.lifetime;
    assert_eq!(sharing(third, over).await, (true, None));
}
