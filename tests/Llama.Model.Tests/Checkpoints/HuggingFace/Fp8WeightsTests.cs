using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.HuggingFace;

/// <summary>Checkpoints of eight-bit floats, against the forward pass in double precision over what their bytes stand for.</summary>
public sealed unsafe class Fp8WeightsTests : IDisposable
{
    private static readonly int[] EveryLayer = [0, BiasedModel.Config.Layers];
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 24).Select(i => 3 + (i * 53 % 150))];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("""{"quant_method": "fp8", "activation_scheme": "static"}""", "weight_scale", 0, 0)]
    [InlineData("""{"quant_method": "compressed-tensors", "format": "float-quantized"}""", "weight_scale", 1, 0)]
    [InlineData("""{"quant_method": "fp8", "weight_block_size": [24, 40]}""", "weight_scale_inv", 24, 40)]
    public void Logits_OneScaleOrOneARowOrOneABlock_AreThoseOfTheNumbersMeant(string quantization, string scaleName, int blockRows, int blockColumns)
    {
        Dictionary<string, (int[] Shape, float[] Values)> meant = Write(quantization, scaleName, blockRows, blockColumns);
        var reference = new ReferenceForward(BiasedModel.Config, meant);
        double[][] expected = [.. Tokens.Select(reference.Next)];
        using (var runner = new ForwardRunner(folder.Path, EveryLayer)) AreThose(expected, runner.Logits(Tokens, 5));
        using var converted = new ForwardRunner(TinyGguf.Convert(folder, folder.Path, ElementType.F32), EveryLayer);
        AreThose(expected, converted.Logits(Tokens, 24));
    }

    [Fact]
    public void ReadRow_TypeOfTheModel_IsWhatRowsAreRoundedTo()
    {
        Dictionary<string, (int[] Shape, float[] Values)> meant = Write("""{"quant_method": "fp8"}""", "weight_scale", 0, 0, "bfloat16");
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(ElementType.BF16, checkpoint.WeightType);
        Assert.Contains(checkpoint.Assumptions, text => text.Contains("take memory as BF16", StringComparison.Ordinal));
        ReadOnlySpan<ushort> row = MemoryMarshal.Cast<byte, ushort>(checkpoint.ReadRow("layers.1.feed_forward.w1.weight", 96, 64, 7));
        float[] expected = meant["model.layers.1.mlp.gate_proj.weight"].Values[(7 * 64)..(8 * 64)];
        for (int i = 0; i < 64; i++)
        {
            float found = BitConverter.UInt32BitsToSingle((uint)row[i] << 16);
            Assert.InRange(MathF.Abs(found - expected[i]), 0, MathF.Abs(expected[i]) / 256);
        }

        WeightMatrix whole = checkpoint.OpenMatrix("layers.1.feed_forward.w1.weight", 96, 64);
        Assert.Equal(row, new ReadOnlySpan<ushort>(whole.Row(7), 64));
    }

    [Fact]
    public void Open_ScalesOfAnotherShape_AreRefusedByName()
    {
        Write("""{"quant_method": "fp8", "weight_block_size": [24, 40]}""", "weight_scale_inv", 24, 40);
        string config = File.ReadAllText(folder["config.json"]);
        File.WriteAllText(folder["config.json"], config.Replace("[24, 40]", "[48, 40]", StringComparison.Ordinal));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        string message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix("layers.0.attention.wq.weight", 64, 64)).Message;
        Assert.Contains("q_proj.weight_scale_inv: found [3, 2], expected one scale, one for each of 64 rows, or [2, 2], one for 48 rows and 40 columns", message);
    }

    private static void AreThose(double[][] expected, float[][] found)
    {
        for (int i = 0; i < found.Length; i++)
        {
            double spread = expected[i].Max() - expected[i].Min();
            for (int token = 0; token < found[i].Length; token++) Assert.InRange(Math.Abs(expected[i][token] - found[i][token]), 0, 2e-5 * spread);
        }
    }

    /// <summary>The number of a byte: E4M3 without infinities.</summary>
    private static double Meant(byte bits)
    {
        int exponent = (bits & 0x78) >> 3;
        double magnitude = exponent == 0 ? (bits & 7) / 8.0 * Math.Pow(2, -6) : (1 + ((bits & 7) / 8.0)) * Math.Pow(2, exponent - 7);
        return (bits & 0x80) != 0 ? -magnitude : magnitude;
    }

    /// <summary>Writes the biased model with all layers' matrices in eight-bit floats.</summary>
    /// <returns>The tensors as they are meant.</returns>
    private Dictionary<string, (int[] Shape, float[] Values)> Write(
        string quantization, string scaleName, int blockRows, int blockColumns, string type = "float32")
    {
        // Configuration and index are those of the plain model; its files are replaced by one.
        BiasedModel.WriteHuggingFace(folder.Path, BiasedModel.Tensors, $", \"quantization_config\": {quantization}");
        foreach (string file in Directory.GetFiles(folder.Path, "model*")) File.Delete(file);
        string config = File.ReadAllText(folder["config.json"]);
        File.WriteAllText(folder["config.json"], config.Replace("\"float32\"", $"\"{type}\"", StringComparison.Ordinal));
        var meant = new Dictionary<string, (int[] Shape, float[] Values)>();
        var header = new Dictionary<string, object>();
        using var data = new MemoryStream();
        foreach ((string name, (int[] shape, float[] values)) in BiasedModel.Tensors)
        {
            if (shape.Length == 1 || !name.Contains("layers", StringComparison.Ordinal))
            {
                meant.Add(name, (shape, values));
                Add(name, "F32", shape, MemoryMarshal.AsBytes<float>(values));
                continue;
            }

            (int rows, int columns) = (shape[0], shape[1]);
            (int height, int width) = blockRows == 0 ? (rows, columns) : blockColumns == 0 ? (1, columns) : (blockRows, blockColumns);
            (int down, int across) = ((rows + height - 1) / height, (columns + width - 1) / width);
            float[] scales = new float[down * across];
            for (int i = 0; i < values.Length; i++)
            {
                ref float scale = ref scales[(i / columns / height * across) + (i % columns / width)];
                scale = Math.Max(scale, MathF.Abs(values[i]) / 448);
            }

            byte[] bytes = new byte[values.Length];
            float[] numbers = new float[values.Length];
            for (int i = 0; i < values.Length; i++)
            {
                double scale = scales[(i / columns / height * across) + (i % columns / width)];
                bytes[i] = Nearest(values[i] / scale);
                numbers[i] = (float)(Meant(bytes[i]) * scale);
            }

            meant.Add(name, (shape, numbers));
            Add(name, "F8_E4M3", shape, bytes);
            Add(name.Replace("weight", scaleName, StringComparison.Ordinal), "F32", blockRows == 0 ? [] : [down, across], MemoryMarshal.AsBytes<float>(scales));
            Add(name.Replace("weight", "input_scale", StringComparison.Ordinal), "F32", [1], new byte[4]);
        }

        byte[] json = JsonSerializer.SerializeToUtf8Bytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        File.WriteAllBytes(folder["model.safetensors"], [.. length, .. json, .. data.ToArray()]);
        return meant;

        void Add(string name, string type, int[] shape, ReadOnlySpan<byte> bytes)
        {
            long begin = data.Length;
            data.Write(bytes);
            header.Add(name, new Dictionary<string, object> { ["dtype"] = type, ["shape"] = shape, ["data_offsets"] = new[] { begin, data.Length } });
        }
    }

    private static byte Nearest(double value) =>
        Enumerable.Range(0, 256).Select(i => (byte)i).Where(bits => (bits & 127) != 127).MinBy(bits => Math.Abs(Meant(bits) - value));
}
