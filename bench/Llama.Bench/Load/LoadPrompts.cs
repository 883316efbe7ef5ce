namespace Llama.Bench.Load;

/// <summary>Prompts of random tokens, the same for the same seed.</summary>
/// <param name="length">Tokens of each.</param>
/// <param name="shared">Tokens that all begin with.</param>
/// <param name="seed">The seed.</param>
internal sealed class LoadPrompts(int length, int shared, int seed)
{
    // Every vocabulary has these: single bytes, in SentencePiece's and in tiktoken's.
    private const int FirstToken = 10;
    private const int EndToken = 250;

    private static readonly string[] Words =
        ["once", "upon", "a", "time", "there", "was", "the", "and", "to", "in", "it", "day", "with", "big", "little", "of"];

    /// <summary>Token ids of a prompt.</summary>
    /// <param name="number">Its number, from 0.</param>
    public int[] Tokens(int number) => Sample(number, random => random.Next(FirstToken, EndToken));

    /// <summary>A text of as many common words, each of which is about one token.</summary>
    /// <param name="number">Its number, from 0.</param>
    public string Text(int number) => string.Join(' ', Sample(number, random => Words[random.Next(Words.Length)]));

    private T[] Sample<T>(int number, Func<Random, T> next)
    {
        var common = new Random(seed);
        var own = new Random(Mix(seed, number));
        return [.. Enumerable.Range(0, length).Select(i => next(i < shared ? common : own))];
    }

    // HashCode.Combine differs from process to process.
    private static int Mix(int seed, int number) => unchecked((seed * 1_000_003) ^ ((number + 1) * 0x5bd1e995)) & int.MaxValue;
}
