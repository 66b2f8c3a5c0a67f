//! What an app says of itself in a query. The same on every route, with what the route takes beside:
//! unknown parameters are refused, and that does not go with structs inside of structs.

use domain::{Country, Id, Locale, Platform, Store};
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
            /// What the app runs on.
            #[garde(skip)]
            platform: Option<Platform>,
            /// Where the app was installed from.
            #[garde(skip)]
            store: Option<Store>,
            /// The app's version; one that is no version counts as not said.
            #[garde(length(chars, max = 64))]
            version: Option<String>,
            /// The version of the operating system.
            #[garde(length(chars, max = 64))]
            os_version: Option<String>,
            /// Which language texts are wanted in.
            #[garde(skip)]
            locale: Option<Locale>,
            /// Where the user is.
            #[garde(skip)]
            country: Option<Country>,
            $( $(#[$doc])* pub $field: $type, )*
        }

        impl Says for $name {
            fn says(&self) -> Said<'_> {
                Said {
                    platform: self.platform,
                    store: self.store,
                    version: self.version.as_deref(),
                    os_version: self.os_version.as_deref(),
                    locale: self.locale.as_ref(),
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
