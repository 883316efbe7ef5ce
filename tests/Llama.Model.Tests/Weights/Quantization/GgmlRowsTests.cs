using System.Runtime.InteropServices;
using System.Text.Json;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;
using Llama.Tests;

namespace Llama.Model.Tests.Weights.Quantization;

/// <summary>
/// Every type that is written against ggml's <c>quantize_row_*_ref</c>: rows whose blocks it gave (ggml-rows.json), and random ones where
/// <see cref="GgmlBlocksTests.Variable"/> names its library.
/// </summary>
public sealed unsafe class GgmlRowsTests
{
    public static TheoryData<ElementType> Types =>
        [ElementType.Q8_0, ElementType.Q4_0, ElementType.Q5_0, ElementType.Q5_1, ElementType.Q4_K, ElementType.Q5_K, ElementType.Q6_K];

    [Theory]
    [MemberData(nameof(Types))]
    public void Quantize_GoldenRows_GiveGgmlsBytes(ElementType type)
    {
        string path = Path.Combine(TestPaths.Root, "tests", "Llama.Model.Tests", "Weights", "Quantization", "ggml-rows.json");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (JsonProperty kind in golden.RootElement.EnumerateObject())
        {
            float[] row = MemoryMarshal.Cast<byte, float>(kind.Value.GetProperty("row").GetBytesFromBase64()).ToArray();
            Assert.Equal((kind.Name, kind.Value.GetProperty($"{type}").GetString()), (kind.Name, Convert.ToBase64String(Quantize(type, row))));
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Quantize_RandomRows_GiveGgmlsBytes(ElementType type)
    {
        nint library = GgmlBlocksTests.Library();
        var quantize = (delegate* unmanaged<float*, byte*, long, void>)NativeLibrary.GetExport(library, $"quantize_row_q{$"{type}"[1..]}_ref");
        var random = new Random(9);
        for (int i = 0; i < 2000; i++)
        {
            // Scales stay half-precision numbers.
            double size = Math.Pow(10, random.Next(-6, 5));
            float[] row = [.. Enumerable.Range(0, 256).Select(_ => (float)(size * (random.NextDouble() - 0.5) * (random.Next(30) == 0 ? 20 : 1)))];
            byte[] expected = new byte[type.Bytes(256)];
            fixed (float* source = row)
            fixed (byte* target = expected) quantize(source, target, row.Length);
            Assert.Equal(expected, Quantize(type, row));
        }
    }

    private static byte[] Quantize(ElementType type, float[] row)
    {
        byte[] bytes = new byte[type.Bytes(row.Length)];
        fixed (float* source = row)
        fixed (byte* target = bytes) RowQuantizer.Quantize(type, source, target, row.Length);
        return bytes;
    }
}
