//! RSA keys that can be factored because a widespread chip made them (CVE-2017-15361, "ROCA").
//!
//! Its primes are 65537^a modulo a product of small primes, and so are their products. A modulus that
//! is a power of 65537 modulo every one of them is such a key; another one is by a chance of 2^-150.

const GENERATOR: u32 = 65_537;

/// The primes that keys of 2048 bits are made with, but two; longer keys are made with more.
const LAST_PRIME: u32 = 701;

/// Whether this modulus, big-endian, was made so.
pub(crate) fn is_roca(modulus: &[u8]) -> bool {
    (3..=LAST_PRIME)
        .filter(|&number| is_prime(number))
        .all(|prime| is_power_of_generator(residue(modulus, prime), prime))
}

fn is_prime(number: u32) -> bool {
    (2..number)
        .take_while(|factor| factor * factor <= number)
        .all(|factor| !number.is_multiple_of(factor))
}

fn residue(modulus: &[u8], prime: u32) -> u32 {
    modulus.iter().fold(0, |residue, byte| {
        (residue * 256 + u32::from(*byte)) % prime
    })
}

fn is_power_of_generator(residue: u32, prime: u32) -> bool {
    let generator = GENERATOR % prime;
    let powers = std::iter::successors(Some(1), |power| Some(power * generator % prime));
    // The powers repeat after at most as many as there are residues.
    powers.take(prime as usize).any(|power| power == residue)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 65537 to some power, big-endian: the plainest number of the family.
    fn power_of_generator(exponent: usize) -> Vec<u8> {
        let mut little_endian = vec![1_u8];
        for _ in 0..exponent {
            let shifted = [&[0, 0], little_endian.as_slice()].concat();
            little_endian.resize(shifted.len() + 1, 0);
            let mut carry = 0;
            for (digit, other) in little_endian.iter_mut().zip(shifted.iter().chain(&[0])) {
                let sum = u16::from(*digit) + u16::from(*other) + carry;
                (*digit, carry) = ((sum & 0xff) as u8, sum >> 8);
            }
        }
        little_endian.reverse();
        little_endian
    }

    #[test]
    fn a_number_of_the_family_is_recognized() {
        assert!(is_roca(&[1, 0, 1]));
        assert!(is_roca(&power_of_generator(128)));
    }

    #[test]
    fn another_number_is_not() {
        let mut number = power_of_generator(128);
        for last in [0, 3, 5, 0x7f, 0xff] {
            *number.last_mut().unwrap() = last;
            assert!(!is_roca(&number), "{last}");
        }
    }
}
