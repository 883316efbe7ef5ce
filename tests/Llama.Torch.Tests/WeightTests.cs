using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Kernels;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;
using Llama.Tests;
using Llama.Torch.Forward;
using Llama.Torch.Native;
using TorchSharp;

namespace Llama.Torch.Tests;

/// <summary>Weights of every type, and what they take.</summary>
public sealed class WeightTests : IDisposable
{
    private static readonly ModelConfig Shape = BiasedModel.Config with
    {
        Dim = 256, Layers = 2, Heads = 4, KvHeads = 2, HeadDim = 64, HiddenDim = 512, VocabSize = 64, RotaryLayout = RotaryLayout.AdjacentPairs,
    };

    private readonly TemporaryFolder folder = new();

    public static TheoryData<ElementType> Types => [.. Enum.GetValues<ElementType>()];

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public unsafe void Load_EveryType_IsThereAsTheOffersPlanCountsIt(ElementType type)
    {
        using Checkpoint checkpoint = Write(type);
        Place place = TestPlace.With(TestPlace.Scripted);
        ElementType computed = Place.ComputedType(type);
        using var range = RangeTensors.Load(checkpoint, place, 0, Shape.Layers, ElementType.F32, 1);

        // Rows as they lie in the file, and as they are joined and turned round.
        torch.Tensor down = range.Layers[LayerTensors.Down], qkv = range.Layers[LayerTensors.Qkv];
        for (int row = 0; row < 5; row++)
        {
            Assert.Equal(Rounded(checkpoint, "layers.0.feed_forward.w2.weight", Shape.Dim, Shape.HiddenDim, row, computed), Row(down, row, Shape.HiddenDim, computed));
            Assert.Equal(Rounded(checkpoint, "layers.0.attention.wv.weight", Shape.KvDim, Shape.Dim, row, computed), Row(qkv, Shape.QueryDim + Shape.KvDim + row, Shape.Dim, computed));
            Assert.Equal(Rounded(checkpoint, "layers.0.attention.wk.weight", Shape.KvDim, Shape.Dim, 2 * row, computed), Row(qkv, Shape.QueryDim + row, Shape.Dim, computed));
        }

        // A plan counts norms as other elements, which they are a thousandth of.
        double elements = (Shape.Layers * ((double)Shape.LayerElements - (2 * Shape.Dim))) + (2.0 * Shape.VocabSize * Shape.Dim);
        long norms = ((2L * Shape.Layers) + 1) * Shape.Dim * sizeof(float);
        double each = TorchDevice.Open("cpu", 1, TestPlace.Scripted).Offer(checkpoint, ElementType.F32).WeightElementBytes;
        Assert.Equal((elements * each) + norms, range.WeightBytes);
    }

    /// <summary>Linear scaling, YaRN with its magnitude, and Llama 3.1's beside the processor's kernels, whose frequencies are tested against the formulas.</summary>
    [Theory]
    [InlineData("""{"type": "linear", "factor": 3}""")]
    [InlineData("""{"type": "yarn", "factor": 4, "original_max_position_embeddings": 64}""")]
    [InlineData("""{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 32}""")]
    public void Compute_ScaledRotaryFrequencies_AreThoseOfTheProcessor(string scaling)
    {
        BiasedModel.WriteHuggingFace(folder["model"], BiasedModel.Tensors, $""", "rope_scaling": {scaling}""");
        int[] tokens = [.. Enumerable.Range(0, 40).Select(i => 3 + (i * 37 % 150))];
        using var expected = new ForwardRunner(folder["model"], [0, BiasedModel.Config.Layers]);
        using var plain = new ForwardRunner(BiasedModel.Folder, [0, BiasedModel.Config.Layers]);
        using var found = new TorchRunner(folder["model"], ElementType.F32, ElementType.F32, TestPlace.Scripted);
        float[][] logits = found.Logits(tokens, 7);
        Assert.InRange(Error(expected.Logits(tokens, 7), logits), 0, 1e-5);
        Assert.InRange(Error(plain.Logits(tokens, 7), logits), 1e-3, double.MaxValue);
    }

    private static double Error(float[][] expected, float[][] found) =>
        expected.Zip(found, (row, other) => row.Zip(other, (e, f) => Math.Abs(e - f)).Max() / (row.Max() - row.Min())).Max();

    private static unsafe byte[] Row(torch.Tensor matrix, int row, int columns, ElementType type) =>
        new ReadOnlySpan<byte>(TorchNative.Pointer(matrix) + (row * type.Bytes(columns)), (int)type.Bytes(columns)).ToArray();

    private static unsafe byte[] Rounded(Checkpoint checkpoint, string name, int rows, int columns, int row, ElementType type)
    {
        float[] elements = new float[columns];
        byte[] rounded = new byte[type.Bytes(columns)];
        fixed (float* floats = elements)
        {
            MatrixProduct.ReadRow(checkpoint.OpenMatrix(name, rows, columns), row, floats);
            fixed (byte* target = rounded) RowQuantizer.Quantize(type, floats, target, columns);
        }

        return rounded;
    }

    private Checkpoint Write(ElementType type)
    {
        IReadOnlyList<GgufTensor> tensors = GgufLayout.Tensors(Shape, type);
        var random = new Random(1);
        using (var writer = new GgufWriter(
            folder["model.gguf"], [.. GgufLayout.Metadata(Shape, "tiny", type), new("tokenizer.ggml.model", "no_vocab")], tensors))
        {
            foreach (GgufTensor tensor in tensors)
            {
                byte[] bytes = new byte[tensor.Bytes];
                random.NextBytes(bytes);
                if (type.BlockElements() == 1)
                {
                    // No numbers beyond all, which lose some of their bits on the way.
                    for (int i = 0; i < bytes.Length; i++) bytes[i] &= 0x3F;
                }

                writer.Write(bytes);
            }

            writer.Complete();
        }

        return Checkpoint.Open(folder["model.gguf"], new CheckpointOptions());
    }
}
