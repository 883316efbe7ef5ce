using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.HuggingFace;

public class HuggingFaceCheckpointTests
{
    private static string Fixture(string name) => Path.Combine(TestPaths.Fixtures, name, "hf");

    [Fact]
    public void OpenMatrix_FileOfOtherLayersMissing_OpensWhatIsThereAndNamesWhatIsNot()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-1"));
        File.Delete(folder["model-00002-of-00002.safetensors"]);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        using Checkpoint whole = CheckpointReading.Open(Fixture("llama-1"));
        byte[] expected = CheckpointReading.Bytes(whole.OpenMatrix(TensorNames.Wq(0), 64, 64));
        Assert.Equal(expected, CheckpointReading.Bytes(checkpoint.OpenMatrix(TensorNames.Wq(0), 64, 64)));
        string message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix(TensorNames.W1(2), 192, 64)).Message;
        const string Expected =
            "model-00002-of-00002.safetensors: the file, needed for tensor model.layers.2.mlp.gate_proj.weight, is missing";
        Assert.Contains(Expected, message);
    }

    [Fact]
    public void OpenMatrix_TiedEmbeddingsStoredAsTheHead_AreFound()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-3.2-tied"));
        byte[] file = File.ReadAllBytes(folder["model.safetensors"]);
        int header = BitConverter.ToInt32(file);
        string json = Encoding.UTF8.GetString(file, 8, header).Replace("\"model.embed_tokens.weight\"", "\"lm_head.weight\"           ", StringComparison.Ordinal);
        Encoding.UTF8.GetBytes(json).CopyTo(file, 8);
        File.WriteAllBytes(folder["model.safetensors"], file);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        using Checkpoint whole = CheckpointReading.Open(Fixture("llama-3.2-tied"));
        byte[] expected = CheckpointReading.Bytes(whole.OpenMatrix(TensorNames.TokenEmbeddings, 384, 96));
        Assert.Equal(expected, CheckpointReading.Bytes(checkpoint.OpenMatrix(TensorNames.TokenEmbeddings, 384, 96)));
        Assert.Equal(expected, CheckpointReading.Bytes(checkpoint.OpenMatrix(TensorNames.Output, 384, 96)));
    }

    [Theory]
    [InlineData("LlamaForCausalLM", "LLAMAforcausallm")]
    [InlineData("\"llama\"", "\"Llama\"")]
    public void Open_NamesInAnotherCase_AreTheSame(string name, string other)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-3"));
        File.WriteAllText(folder["config.json"], File.ReadAllText(folder["config.json"]).Replace(name, other, StringComparison.Ordinal));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.True(checkpoint.Config.Layers > 0);
    }

    [Fact]
    public void OpenMatrix_NoWeights_SaysWhatWasLookedForAndWhatIsThere()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(Fixture("llama-1"), "config.json"), folder["config.json"]);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(ElementType.F16, checkpoint.WeightType);
        string message = Assert.Throws<CheckpointException>(() => checkpoint.ReadVector(TensorNames.Norm, 64)).Message;
        Assert.Contains("model.safetensors or model.safetensors.index.json, needed for tensor model.norm.weight, is missing", message);
        Assert.Contains("the folder holds config.json", message);
    }

    [Theory]
    [InlineData("../secret.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("")]
    public void Open_IndexThatLeavesTheFolder_IsRefused(string file)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-1"));
        File.WriteAllText(folder["model.safetensors.index.json"], $$$"""{"weight_map": {"model.norm.weight": "{{{file}}}"}}""");
        string message = CheckpointReading.Refusal(folder.Path);
        Assert.Contains($"weight_map.model.norm.weight: found \"{file}\", expected the name of a file in the same folder", message);
    }

    [Theory]
    [InlineData("""{}""", "weight_map: not there")]
    [InlineData("""{"weight_map": {"model.norm.weight": 3}}""", "weight_map.model.norm.weight: found 3, expected a text")]
    [InlineData("""{"weight_map": {}}""", "weight_map: tensor model.norm.weight is missing")]
    [InlineData("""{"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}""", "tensor model.norm.weight is missing")]
    public void ReadVector_DamagedIndex_IsRefused(string index, string expected)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-1"));
        File.WriteAllText(folder["model.safetensors.index.json"], index);
        CheckpointException fault = Assert.Throws<CheckpointException>(() =>
        {
            using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
            checkpoint.ReadVector(TensorNames.Norm, 64);
        });
        Assert.Contains(expected, fault.Message);
    }

    [Fact]
    public void Open_TypeNotInConfiguration_IsThatOfTheWeights()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-3.1-short"));
        string text = File.ReadAllText(folder["config.json"]);
        File.WriteAllText(folder["config.json"], text.Replace("torch_dtype", "other", StringComparison.Ordinal));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(ElementType.F32, checkpoint.WeightType);
    }

    [Fact]
    public unsafe void OpenMatrix_LargerThanTwoGigabytes_ReadsItsLastRow()
    {
        const int Rows = 1_200_000, Columns = 1024;
        const long Bytes = 2L * Rows * Columns;
        using var folder = new TemporaryFolder();
        File.WriteAllText(
            folder["config.json"],
            $$"""
            {"model_type": "llama", "hidden_size": {{Columns}}, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 8,
             "vocab_size": {{Rows}}}
            """);
        SafetensorsWriter.Write(
            folder["model.safetensors"],
            $$$"""{"model.embed_tokens.weight":{"dtype":"F16","shape":[{{{Rows}}},{{{Columns}}}],"data_offsets":[0,{{{Bytes}}}]}}""",
            Bytes);
        using (FileStream stream = File.OpenWrite(folder["model.safetensors"]))
        {
            stream.Position = stream.Length - 2;
            stream.Write(BitConverter.GetBytes((Half)1.5f));
        }

        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        WeightMatrix embeddings = checkpoint.OpenMatrix(TensorNames.TokenEmbeddings, Rows, Columns);
        Assert.Equal(Bytes, embeddings.Bytes);
        Half* last = (Half*)embeddings.Row(Rows - 1);
        Assert.Equal(((Half)0f, (Half)1.5f), (last[0], last[Columns - 1]));
    }
}
