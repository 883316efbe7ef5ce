using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Layers;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

/// <summary>Biases in every format, wherever they lie; and whatever else a file holds, wherever it lies.</summary>
public sealed class BiasTests : IDisposable
{
    private static readonly int[] EveryLayer = [0, BiasedModel.Config.Layers];

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> GgufForms => ["one file", "first part", "second part", "no tensors in the first part"];

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(GgufForms))]
    public void Logits_GgufWithBiases_EqualTheReferenceWhereverTheBiasesLie(string form)
    {
        GoldenResults golden = Golden();
        using var runner = new ForwardRunner(WriteGguf(form), EveryLayer);
        AssertClose(golden, runner.Logits(golden.Tokens, 7));
    }

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    public void Logits_ConvertedToGgufAndAgain_EqualTheReference(ElementType type)
    {
        GoldenResults golden = Golden();
        string first = TinyGguf.Convert(folder, BiasedModel.Folder, type);
        File.Move(first, folder["first.gguf"]);
        string second = TinyGguf.Convert(folder, folder["first.gguf"], type);
        foreach (string file in (string[])[folder["first.gguf"], second])
        {
            using var runner = new ForwardRunner(file, EveryLayer);
            AssertClose(golden, runner.Logits(golden.Tokens, golden.Tokens.Length));
        }
    }

    [Fact]
    public void Convert_Biases_AreThoseOfTheFileWrittenByHand()
    {
        using Checkpoint expected = CheckpointReading.Open(WriteGguf("one file"));
        using Checkpoint found = CheckpointReading.Open(TinyGguf.Convert(folder, BiasedModel.Folder, ElementType.Q8_0));
        int biases = 0;
        foreach ((string name, int rows) in CheckpointReading.LayerMatrices(expected.Config))
        {
            float[]? bias = expected.ReadBias(name, rows);
            Assert.Equal(bias, found.ReadBias(name, rows));
            if (bias is not null) biases++;
        }

        Assert.Equal(10, biases);
    }

    [Theory]
    [InlineData(ElementType.Q8_0)]
    [InlineData(ElementType.Q4_0)]
    [InlineData(ElementType.Q4_K)]
    [InlineData(ElementType.F16)]
    public void Logits_EveryTypeCutChunkAndThreads_HaveTheSameBitsMappedAndCopied(ElementType type)
    {
        string file = TinyGguf.Convert(folder, BiasedModel.Folder, type);
        int[] tokens = Golden().Tokens;
        float[][]? expected = null;
        foreach ((int[] cut, int chunk, int threads) in new[] { (EveryLayer, tokens.Length, 1), ([0, 1, 3], 1, 2), ([0, 1, 2, 3], 7, 3) })
        {
            using var runner = new ForwardRunner(file, cut, threads);
            float[][] logits = runner.Logits(tokens, chunk);
            expected ??= logits;
            Assert.Equal(expected, logits);
            runner.Repack();
            Assert.Equal(expected, runner.Logits(tokens, chunk));
        }
    }

    [Fact]
    public void Open_Biases_CountInMemory()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(BiasedModel.Folder);
        ModelConfig config = checkpoint.Config;
        int all = config.QueryDim + (2 * config.KvDim) + (2 * config.Dim) + (2 * config.HiddenDim);
        Assert.Equal(all, config.BiasElements);
        using var forward = new CpuForward(checkpoint, 0, 2, ElementType.F32, 4, 1);
        long biases = all + config.QueryDim + (2 * config.KvDim);
        long embeddings = (long)config.VocabSize * config.Dim;
        Assert.Equal(sizeof(float) * (embeddings + (2 * config.LayerElements) + biases), forward.WeightBytes);
        using Checkpoint plain = CheckpointReading.Open(TestPaths.TinyStories);
        Assert.Equal(0, plain.Config.BiasElements);
    }

    [Theory]
    [InlineData("attention_bias", "model.layers.1.self_attn.o_proj.bias")]
    [InlineData("mlp_bias", "model.layers.1.mlp.gate_proj.bias")]
    public void Load_BiasThatTheConfigurationDemandsMissing_IsRefusedByName(string flag, string missing)
    {
        BiasedModel.WriteHuggingFace(folder.Path, BiasedModel.Tensors, $", \"{flag}\": true");
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        new CpuForward(checkpoint, 0, 1, ElementType.F32, 4, 1).Dispose();
        CheckpointException fault = Assert.Throws<CheckpointException>(() => new CpuForward(checkpoint, 1, 2, ElementType.F32, 4, 1));
        Assert.Contains($"tensor {missing} is missing", fault.Message);
    }

    [Fact]
    public void Load_BiasOfAnotherLength_IsRefusedByName()
    {
        BiasedModel.WriteHuggingFace(folder.Path, With("model.layers.0.self_attn.k_proj.bias", 33));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        CheckpointException fault = Assert.Throws<CheckpointException>(() => new CpuForward(checkpoint, 0, 1, ElementType.F32, 4, 1));
        Assert.Contains("tensor model.layers.0.self_attn.k_proj.bias: found [33], expected [32]", fault.Message);
    }

    [Fact]
    public void Load_BiasThatTheIndexDoesNotList_IsRefusedByName()
    {
        const string Stray = "model.layers.2.self_attn.q_proj.bias";
        BiasedModel.WriteHuggingFace(folder.Path, BiasedModel.Tensors);
        BiasedModel.WriteSafetensors(
            folder["model-00002-of-00002.safetensors"], With(Stray, 64).Where(t => BiasedModel.IsBias(t.Key) || t.Key.Contains("layers.2.", StringComparison.Ordinal)));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        CheckpointException fault = Assert.Throws<CheckpointException>(() => new CpuForward(checkpoint, 2, 3, ElementType.F32, 4, 1));
        Assert.Contains($"weight_map: tensor {Stray} is missing", fault.Message);
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.q_norm.weight")]
    [InlineData("model.layers.2.self_attn.q_norm.weight")]
    [InlineData("model.layers.1.input_layernorm.bias")]
    [InlineData("model.layers.3.self_attn.q_proj.weight")]
    [InlineData("model.norm.bias")]
    [InlineData("lm_head.bias")]
    public void Open_HuggingFaceTensorThatIsNotUnderstood_IsRefusedByNameInEitherFile(string name)
    {
        BiasedModel.WriteHuggingFace(folder.Path, With(name, 64));
        Assert.Contains($"found tensor {name}, expected only the weights of a Llama model", CheckpointReading.Refusal(folder.Path));

        // The files know it too, without the index.
        BiasedModel.WriteHuggingFace(folder["listed"], BiasedModel.Tensors);
        foreach (string file in Directory.GetFiles(folder.Path, "*.safetensors")) File.Copy(file, Path.Combine(folder["listed"], Path.GetFileName(file)), true);
        string refusal = CheckpointReading.Refusal(folder["listed"]);
        Assert.Contains(".safetensors: ", refusal);
        Assert.Contains($"found tensor {name}", refusal);
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.rotary_emb.inv_freq")]
    [InlineData("model.rotary_emb.inv_freq")]
    [InlineData("v_head.summary.weight")]
    public void Open_HuggingFaceTensorThatChangesNothing_IsAccepted(string name)
    {
        BiasedModel.WriteHuggingFace(folder.Path, With(name, 8));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.True(CheckpointReading.ReadEverything(checkpoint) > 0);
    }

    [Theory]
    [InlineData("blk.0.attn_q_norm.weight")]
    [InlineData("blk.2.ffn_norm.bias")]
    [InlineData("blk.3.attn_q.weight")]
    [InlineData("rope_factors_long.weight")]
    [InlineData("output.bias")]
    [InlineData("token_embd_norm.weight")]
    public void Open_GgufTensorThatIsNotUnderstood_IsRefusedByNameInEitherPart(string name)
    {
        (GgufTensor, float[]) other = (new GgufTensor(name, ElementType.F32, [8]), new float[8]);
        IReadOnlyList<(GgufTensor Tensor, float[] Values)> tensors = BiasedModel.GgufTensors();
        string[] parts = BiasedModel.WriteGgufParts(folder.Path, [.. tensors.Take(9), other], [.. tensors.Skip(9)]);
        Assert.Contains($"{parts[0]}: found tensor {name}, expected only", CheckpointReading.Refusal(parts[0]));
        BiasedModel.WriteGgufParts(folder.Path, [.. tensors.Take(9)], [.. tensors.Skip(9), other]);
        Assert.Contains($"{parts[1]}: found tensor {name}, expected only", CheckpointReading.Refusal(parts[0]));
    }

    [Theory]
    [InlineData("blk.0.attn_rot_embd.weight")]
    [InlineData("mtp.0.attn_k.weight")]
    public void Open_GgufTensorThatChangesNothing_IsAccepted(string name)
    {
        BiasedModel.WriteGguf(folder["old.gguf"], [.. BiasedModel.GgufTensors(), (new GgufTensor(name, ElementType.F32, [8]), new float[8])]);
        using Checkpoint checkpoint = CheckpointReading.Open(folder["old.gguf"]);
        Assert.True(CheckpointReading.ReadEverything(checkpoint) > 0);
    }

    [Fact]
    public void Load_GgufPartThatMayHaveTheBiasesMissing_IsRefusedByName()
    {
        string first = WriteGguf("second part");
        File.Delete(folder["biases-00002-of-00002.gguf"]);
        using Checkpoint checkpoint = CheckpointReading.Open(first);
        CheckpointException fault = Assert.Throws<CheckpointException>(() => new CpuForward(checkpoint, 0, 1, ElementType.F32, 4, 1));
        Assert.EndsWith(
            "tensor blk.0.attn_q.bias is in none of the parts that are there; missing are biases-00002-of-00002.gguf", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_GgufPartOfOtherWeightsMissing_LoadsTheLayersThatAreThere()
    {
        (GgufTensor Tensor, float[] Values)[] plain = [.. BiasedModel.GgufTensors().Where(tensor => !BiasedModel.IsBias(tensor.Tensor.Name))];
        string[] parts = BiasedModel.WriteGgufParts(folder.Path, [.. plain.Take(10)], [.. plain.Skip(10)]);
        File.Delete(parts[1]);
        using Checkpoint checkpoint = CheckpointReading.Open(parts[0]);
        using var forward = new CpuForward(checkpoint, 0, 1, ElementType.F32, 4, 1);
        Assert.Equal(0, checkpoint.Config.BiasElements);
    }

    [Theory]
    [InlineData("consolidated.00.pth")]
    [InlineData("consolidated.01.pth")]
    public void Load_MetaTensorThatIsNotUnderstood_IsRefusedByNameInEitherShard(string shard)
    {
        using TemporaryFolder meta = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-1", "meta"));
        byte[] bytes = File.ReadAllBytes(meta[shard]);
        "layers.2.attention.wx.weight"u8.CopyTo(bytes.AsSpan(bytes.AsSpan().IndexOf("layers.2.attention.wo.weight"u8)));
        File.WriteAllBytes(meta[shard], bytes);
        CheckpointException fault = Assert.Throws<CheckpointException>(() =>
        {
            using Checkpoint checkpoint = CheckpointReading.Open(meta.Path);
            new CpuForward(checkpoint, 0, 1, ElementType.F32, 4, 1).Dispose();
        });
        Assert.Contains($"{shard}: found tensor layers.2.attention.wx.weight, expected only the weights of a Llama model", fault.Message);
    }

    private static GoldenResults Golden() => GoldenResults.Read(Path.Combine(BiasedModel.Folder, "..", "golden.json"));

    private static void AssertClose(GoldenResults golden, float[][] logits)
    {
        for (int position = 0; position < golden.Logits.Length; position++)
        {
            float spread = golden.Logits[position].Max() - golden.Logits[position].Min();
            Assert.All(golden.Logits[position].Zip(logits[position]), pair => Assert.InRange(MathF.Abs(pair.First - pair.Second), 0, 1e-4f * spread));
        }
    }

    /// <summary>The model's tensors and one more, or that one of another length.</summary>
    private static Dictionary<string, (int[] Shape, float[] Values)> With(string name, int length) =>
        new(BiasedModel.Tensors) { [name] = ([length], new float[length]) };

    private string WriteGguf(string form)
    {
        IReadOnlyList<(GgufTensor Tensor, float[] Values)> tensors = BiasedModel.GgufTensors();
        (GgufTensor Tensor, float[] Values)[] biases = [.. tensors.Where(tensor => BiasedModel.IsBias(tensor.Tensor.Name))];
        (GgufTensor Tensor, float[] Values)[] weights = [.. tensors.Where(tensor => !BiasedModel.IsBias(tensor.Tensor.Name))];
        switch (form)
        {
            case "one file":
                BiasedModel.WriteGguf(folder["one.gguf"], tensors);
                return folder["one.gguf"];
            case "first part": return BiasedModel.WriteGgufParts(folder.Path, [.. weights.Take(12), .. biases], [.. weights.Skip(12)])[0];
            case "second part": return BiasedModel.WriteGgufParts(folder.Path, [.. weights.Take(12)], [.. weights.Skip(12), .. biases])[0];
            default: return BiasedModel.WriteGgufParts(folder.Path, [], tensors)[0];
        }
    }
}
