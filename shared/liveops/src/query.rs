//! What an app says of itself in a query. The same on every route, with what the route takes beside:
//! unknown parameters are refused, and that does not go with structs inside of structs.

use domain::{Country, Id, Locale, Platform, Store, reported};
use garde::Validate;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::visitor::{Said, Says};

macro_rules! audience_query {
    (
        $(#[$about:meta])*
        pub struct $name:ident { $( $(#[$doc:meta])* $field:ident: $type:ty, )* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, JsonSchema, Validate)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The platform that the app runs on: `ios`, `android` or `web`, in any case. A value that
            /// cannot be read counts as absent, here and below.
            #[garde(skip)]
            #[serde(default, deserialize_with = "reported::value")]
            #[schemars(with = "Option<String>")]
            platform: Option<Platform>,
            /// The store that the app was installed from: `app_store`, `google_play`, `onestore`,
            /// `galaxy_store` or `web`, in any case.
            #[garde(skip)]
            #[serde(default, deserialize_with = "reported::value")]
            #[schemars(with = "Option<String>")]
            store: Option<Store>,
            /// The app's version, which begins with a number: `1.10`, `v2.0.0-beta.1`, `5.1.0 (2041)`.
            #[garde(skip)]
            #[serde(default, deserialize_with = "reported::any_version_text")]
            version: Option<String>,
            /// The app's build number, a whole number from 0.
            #[garde(skip)]
            #[serde(default, deserialize_with = "reported::build_text")]
            #[schemars(with = "Option<String>")]
            build: Option<u64>,
            /// The operating system's version, which begins with a number.
            #[garde(skip)]
            #[serde(default, deserialize_with = "reported::any_version_text")]
            os_version: Option<String>,
            /// The language in which texts are wanted, as a tag in any spelling (`ko-KR`,
            /// `zh_TW_#Hant`), or a list with weights as in `Accept-Language`.
            #[garde(skip)]
            #[serde(default, deserialize_with = "reported::languages")]
            #[schemars(with = "Option<String>")]
            locale: Vec<Locale>,
            /// The country that the user is in: ISO 3166-1 alpha-2 or `XK`, in any case.
            #[garde(skip)]
            #[serde(default, deserialize_with = "reported::value")]
            #[schemars(with = "Option<String>")]
            country: Option<Country>,
            $( $(#[$doc])* pub $field: $type, )*
        }

        impl Says for $name {
            fn says(&self) -> Said<'_> {
                Said {
                    platform: self.platform,
                    store: self.store,
                    version: self.version.as_deref(),
                    build: self.build,
                    os_version: self.os_version.as_deref(),
                    languages: &self.locale,
                    country: self.country,
                }
            }
        }
    };
}

audience_query! {
    /// The app and its device. What the query leaves out, headers may say.
    pub struct AudienceQuery {}
}

audience_query! {
    /// Who asks, and whether they want to know why. What the query leaves out, headers may say.
    pub struct ExplainQuery {
        /// Tell why the answer is what it is; for operators.
        #[garde(skip)]
        explain: Option<bool>,
    }
}

audience_query! {
    /// Who asks, for which place in the app. What the query leaves out, headers may say.
    pub struct PlacementQuery {
        /// The place to fill with banners; without it, all places.
        #[garde(skip)]
        placement: Option<Id>,
        /// Tell why the answer is what it is; for operators.
        #[garde(skip)]
        explain: Option<bool>,
    }
}

audience_query! {
    /// Who asks, for which page of a list. What the query leaves out, headers may say.
    pub struct PageQuery {
        /// Where to go on, from the answer before.
        #[garde(length(chars, max = 512))]
        cursor: Option<String>,
        /// At most so many; 20 where nothing is said.
        #[garde(range(min = 1, max = 50))]
        limit: Option<u8>,
        /// Tell why the answer is what it is; for operators.
        #[garde(skip)]
        explain: Option<bool>,
    }
}
