using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Tests.Weights.Quantization;

public unsafe class LevelSearchTests
{
    public static TheoryData<string> Kinds => [.. Rows.Keys];

    private static readonly Dictionary<string, Func<Random, int, float>> Rows = new()
    {
        ["normal"] = (random, _) => Normal(random),
        ["small"] = (random, _) => Normal(random) * 1e-30f,
        ["tiny"] = (random, _) => Normal(random) * 1e-40f,
        ["large"] = (random, _) => Normal(random) * 1e30f,
        ["overflowing"] = (random, _) => Normal(random) * 3e38f,
        ["positive"] = (random, _) => 1 + random.NextSingle(),
        ["negative"] = (random, _) => -1 - random.NextSingle(),
        ["outliers"] = (random, _) => random.Next(20) == 0 ? Normal(random) * 100 : Normal(random),
        ["few values"] = (random, _) => random.Next(-2, 3) * 0.25f,
        ["levels"] = (random, i) => (random.Next(16) * 0.5f) - (i / 32),
        ["parts of one value"] = (random, i) => i / 32 % 2 == 0 ? i / 32 : Normal(random),
        ["parts of nearly nothing"] = (random, i) => i / 32 % 2 == 0 ? Normal(random) * 1e-6f : Normal(random),
        ["signed zeros"] = (random, _) => random.Next(4) switch { 0 => -0f, 1 => 0f, _ => Normal(random) },
        ["zeros"] = (_, _) => 0,
        ["negative zeros"] = (_, _) => -0f,
        ["not a number"] = (random, i) => i == 77 ? float.NaN : Normal(random),
        ["infinity"] = (random, i) => i == 3 ? float.PositiveInfinity : Normal(random),
        ["negative infinity"] = (random, i) => i % 32 == 3 ? float.NegativeInfinity : Normal(random),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Quantize_RowsOfEveryKind_GivesTheReferencesBytes(string kind)
    {
        var random = new Random(11);
        float[] row = new float[256];
        byte[] expected = new byte[ElementType.Q4_K.BlockBytes()], found = new byte[expected.Length];
        for (int block = 0; block < 300; block++)
        {
            for (int i = 0; i < row.Length; i++) row[i] = Rows[kind](random, i);
            fixed (float* source = row)
            fixed (byte* first = expected, second = found)
            {
                ReferenceQ4_K.Quantize(source, first);
                LevelSearch.OfQ4_K.Quantize(source, second);
            }

            Assert.Equal(expected, found);
        }
    }

    private static float Normal(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}
