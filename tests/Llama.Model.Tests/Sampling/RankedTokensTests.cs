using Llama.Model.Sampling;

namespace Llama.Model.Tests.Sampling;

public sealed unsafe class RankedTokensTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(63)]
    [InlineData(500)]
    public void Top_EveryCount_IsTheStartOfTheSortedVocabulary(int vocabSize)
    {
        var random = new Random(vocabSize);
        var ranked = new RankedTokens();

        // Few different numbers: most logits are equal to others.
        float[] logits = [.. Enumerable.Range(0, vocabSize).Select(_ => random.Next(40) - 20.5f)];
        int[] sorted = [.. Enumerable.Range(0, vocabSize).OrderByDescending(i => logits[i]).ThenBy(i => i)];
        foreach (int count in (int[])[1, 2, 3, 64, 65, 200, 500, 1000])
        {
            fixed (float* pointer = logits)
                Assert.Equal(sorted.Take(count), ranked.Top(pointer, vocabSize, count).ToArray());
        }
    }

    [Fact]
    public void Top_ExtremeLogits_AreRankedToo()
    {
        float[] logits = [float.NegativeInfinity, -0f, 0, float.MaxValue, float.NegativeInfinity, float.MinValue, float.PositiveInfinity];
        fixed (float* pointer = logits)
            Assert.Equal([6, 3, 1, 2, 5, 0, 4], new RankedTokens().Top(pointer, 7, 7).ToArray());
    }
}
