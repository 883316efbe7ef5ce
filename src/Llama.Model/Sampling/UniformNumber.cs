namespace Llama.Model.Sampling;

/// <summary>
/// The number that samples a token: a function of the seed and the position alone, so a sequence that is computed again, elsewhere, or
/// together with others samples the same tokens.
/// </summary>
public static class UniformNumber
{
    /// <summary>
    /// A number in [0, 1) with 53 random bits: the <paramref name="position"/>-th output of SplitMix64 (Steele, Lea and Flood, "Fast
    /// splittable pseudorandom number generators", 2014) from a seed that is itself mixed once, so near seeds give unrelated numbers.
    /// </summary>
    public static double At(ulong seed, int position) =>
        (Mix(Mix(seed) + (((ulong)position + 1) * 0x9E3779B97F4A7C15)) >> 11) * (1.0 / (1UL << 53));

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
