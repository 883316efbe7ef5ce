using Llama.Model.Sampling;

namespace Llama.Model.Tests.Sampling;

public sealed unsafe class SamplerDistributionTests
{
    private const int VocabSize = 300;
    private const int Numbers = 2000;

    public static TheoryData<float, int, float, float> Parameters => new()
    {
        { 1, 0, 1, 0 },
        { 0.7f, 0, 1, 0 },
        { 2.5f, 0, 1, 0 },
        { 1, 1, 1, 0 },
        { 1, 5, 1, 0 },
        { 1.5f, 200, 1, 0 },
        { 1, VocabSize, 1, 0 },
        { 1, int.MaxValue, 1, 0 },
        { 1, -1, 1, 0 },
        { 1, 0, 0.5f, 0 },
        { 2, 0, 0.999f, 0 },
        { 1, 0, 0.99999f, 0 },
        { 1, 0, 1e-30f, 0 },
        { 1, 0, 1.5f, 0 },
        { 1, 0, 1, 0.05f },
        { 1, 0, 1, 1 },
        { 1, 0, 1, 7 },
        { 1.3f, 40, 0.9f, 0.02f },
        { 3, 0, 0.97f, 0.001f },
    };

    [Theory]
    [MemberData(nameof(Parameters))]
    public void Sample_NumbersSpreadEvenly_SampleEveryTokenAsOftenAsTheReferenceSays(float temperature, int topK, float topP, float minP)
    {
        var parameters = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP };
        foreach ((string name, float[] logits) in AllLogits())
        {
            Dictionary<int, double> expected = ReferenceSampler.Distribution(logits, parameters);
            int[] sampled = Sample(logits, parameters);

            // A token owns one stretch of [0, 1): of numbers spread evenly over it, as many as fit, give or take its two ends.
            for (int token = 0; token < logits.Length; token++)
            {
                double share = expected.GetValueOrDefault(token) * Numbers;
                Assert.True(Math.Abs(sampled[token] - share) < 1.1, $"{name}: token {token} was sampled {sampled[token]} times, not {share}");
            }
        }
    }

    [Fact]
    public void Sample_PseudoRandomNumbers_PassesAChiSquareTest()
    {
        float[] logits = AllLogits().First().Logits;
        var parameters = new SamplingParameters { Temperature = 1.2f, TopK = 30, TopP = 0.95f };
        Dictionary<int, double> expected = ReferenceSampler.Distribution(logits, parameters);
        int[] sampled = new int[VocabSize];
        using var sampler = new Sampler(VocabSize);
        fixed (float* pointer = logits)
        {
            for (int i = 0; i < Numbers; i++) sampled[sampler.Sample(pointer, parameters, UniformNumber.At(7, i), []).Token]++;
        }

        double chiSquare = expected.Sum(e => Math.Pow(sampled[e.Key] - (e.Value * Numbers), 2) / (e.Value * Numbers));
        int degrees = expected.Count - 1;

        // Five standard deviations around the mean of the chi-square distribution.
        Assert.InRange(chiSquare, degrees - (5 * Math.Sqrt(2 * degrees)), degrees + (5 * Math.Sqrt(2 * degrees)));
        Assert.Equal(Numbers, expected.Keys.Sum(token => sampled[token]));
    }

    private static IEnumerable<(string Name, float[] Logits)> AllLogits()
    {
        var random = new Random(1);
        yield return ("bell", [.. Enumerable.Range(0, VocabSize).Select(_ => Bell(random) * 2)]);
        yield return ("peaked", [.. Enumerable.Range(0, VocabSize).Select(i => i == 77 ? 20 : Bell(random))]);
        yield return ("all equal", [.. Enumerable.Repeat(3.5f, VocabSize)]);
        yield return ("pairs of equals", [.. Enumerable.Range(0, VocabSize).Select(i => (i / 2 % 50) * 0.1f)]);
        yield return ("huge", [.. Enumerable.Range(0, VocabSize).Select(i => 1e20f * Bell(random))]);
        const float Masked = float.NegativeInfinity;
        yield return ("mostly masked", [.. Enumerable.Range(0, VocabSize).Select(i => i % 30 == 5 ? Bell(random) : Masked)]);
    }

    private static int[] Sample(float[] logits, SamplingParameters parameters)
    {
        int[] sampled = new int[logits.Length];
        using var sampler = new Sampler(logits.Length);
        fixed (float* pointer = logits)
        {
            for (int i = 0; i < Numbers; i++) sampled[sampler.Sample(pointer, parameters, (double)i / Numbers, []).Token]++;
        }

        return sampled;
    }

    private static float Bell(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}
