//! Countries by their ISO 3166-1 alpha-2 codes.

use std::{fmt, str::FromStr};

use crate::define::BadText;

/// An officially assigned ISO 3166-1 alpha-2 code, or `XK` (Kosovo), which phones and CLDR use though it
/// is only user-assigned. Stored in capitals; lower case is accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// The officially assigned codes (ISO 3166-1) and `XK`, in order.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL \
BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK \
DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU \
GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ \
LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY \
MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU \
RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// The ISO 3166-1 alpha-3 codes of [`CODES`], in the same order.
const ALPHA_3_CODES: &str = "AND ARE AFG ATG AIA ALB ARM AGO ATA ARG ASM AUT AUS ABW ALA AZE BIH BRB BGD BEL BFA BGR BHR BDI \
BEN BLM BMU BRN BOL BES BRA BHS BTN BVT BWA BLR BLZ CAN CCK COD CAF COG CHE CIV COK CHL CMR CHN \
COL CRI CUB CPV CUW CXR CYP CZE DEU DJI DNK DMA DOM DZA ECU EST EGY ESH ERI ESP ETH FIN FJI FLK \
FSM FRO FRA GAB GBR GRD GEO GUF GGY GHA GIB GRL GMB GIN GLP GNQ GRC SGS GTM GUM GNB GUY HKG HMD \
HND HRV HTI HUN IDN IRL ISR IMN IND IOT IRQ IRN ISL ITA JEY JAM JOR JPN KEN KGZ KHM KIR COM KNA \
PRK KOR KWT CYM KAZ LAO LBN LCA LIE LKA LBR LSO LTU LUX LVA LBY MAR MCO MDA MNE MAF MDG MHL MKD \
MLI MMR MNG MAC MNP MTQ MRT MSR MLT MUS MDV MWI MEX MYS MOZ NAM NCL NER NFK NGA NIC NLD NOR NPL \
NRU NIU NZL OMN PAN PER PYF PNG PHL PAK POL SPM PCN PRI PSE PRT PLW PRY QAT REU ROU SRB RUS RWA \
SAU SLB SYC SDN SWE SGP SHN SVN SJM SVK SLE SMR SEN SOM SUR SSD STP SLV SXM SYR SWZ TCA TCD ATF \
TGO THA TJK TKL TLS TKM TUN TON TUR TTO TUV TWN TZA UKR UGA UMI USA URY UZB VAT VCT VEN VGB VIR \
VNM VUT WLF WSM XKX YEM MYT ZAF ZMB ZWE";

impl Country {
    /// Returns the country of an ISO 3166-1 alpha-3 code, in any case.
    pub(crate) fn from_alpha_3(code: &str) -> Option<Self> {
        let mut pairs = ALPHA_3_CODES.split(' ').zip(CODES.split(' '));
        let (_, country) = pairs.find(|(known, _)| known.eq_ignore_ascii_case(code))?;
        country.parse().ok()
    }

    /// The code, in capitals.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Country {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        <[u8; 2]>::try_from(text.as_bytes())
            .map(|code| code.map(|letter| letter.to_ascii_uppercase()))
            .ok()
            .filter(|code| {
                CODES
                    .as_bytes()
                    .chunks(3)
                    .any(|known| known.starts_with(code))
            })
            .map(Self)
            .ok_or(BadText {
                expected: "an ISO 3166-1 alpha-2 country code",
            })
    }
}

text_in_json!(Country);

impl schemars::JsonSchema for Country {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Country".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<&str> = CODES.split(' ').collect();
        schemars::json_schema!({
            "description": "ISO 3166-1 alpha-2; kept in capitals, lower case is accepted.",
            "type": "string",
            "enum": codes,
            "format": "country",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_codes_and_kosovo_and_nothing_else_is_one() {
        assert_eq!(CODES.split(' ').count(), 250);
        for code in CODES.split(' ') {
            assert_eq!(code.parse::<Country>().unwrap().as_str(), code);
            assert_eq!(
                code.to_ascii_lowercase()
                    .parse::<Country>()
                    .unwrap()
                    .as_str(),
                code
            );
        }
        for bad in [
            "", "K", "KOR", "ZZ", "EU", "UK", "EA", "XX", "419", "001", "D A", "K ", " K",
        ] {
            assert!(bad.parse::<Country>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_country_has_its_own_code_of_three_letters() {
        let codes = || ALPHA_3_CODES.split(' ');
        assert_eq!(codes().count(), CODES.split(' ').count());
        assert_eq!(
            codes().collect::<std::collections::BTreeSet<_>>().len(),
            250
        );
        for (alpha_3, alpha_2) in [
            ("AND", "AD"),
            ("che", "CH"),
            ("KOR", "KR"),
            ("prk", "KP"),
            ("SRB", "RS"),
            ("XKX", "XK"),
            ("ZWE", "ZW"),
        ] {
            let country = Country::from_alpha_3(alpha_3);
            assert_eq!(country.map(|c| c.to_string()).as_deref(), Some(alpha_2));
        }
        for bad in ["", "KR", "ROK", "KOR ", "KORE"] {
            assert_eq!(Country::from_alpha_3(bad), None, "{bad}");
        }
    }
}
