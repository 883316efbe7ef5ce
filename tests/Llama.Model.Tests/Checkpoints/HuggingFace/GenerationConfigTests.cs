using Llama.Model.Checkpoints;
using Llama.Model.Sampling;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.HuggingFace;

public class GenerationConfigTests
{
    [Theory]
    [InlineData("{}", 1f, 0, 1f, 0f)]
    [InlineData("""{"temperature": 0.6, "top_p": 0.9, "do_sample": true}""", 0.6f, 0, 0.9f, 0f)]
    [InlineData("""{"temperature": 0.6, "top_k": 40, "min_p": 0.05}""", 0.6f, 40, 1f, 0.05f)]
    [InlineData("""{"temperature": 0.6, "do_sample": false}""", 0f, 0, 1f, 0f)]
    [InlineData("""{"temperature": null, "top_k": null}""", 1f, 0, 1f, 0f)]
    public void Sampling_OfTheFile_IsTheModelsDefaultAlsoWhenConverted(string json, float temperature, int topK, float topP, float minP)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-3", "hf"));
        File.WriteAllText(folder["generation_config.json"], json);
        var expected = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP };
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(expected, checkpoint.Config.Sampling);
        using Checkpoint converted = CheckpointReading.Open(TinyGguf.Convert(folder, folder.Path, ElementType.F32));
        Assert.Equal(expected, converted.Config.Sampling);
    }

    [Theory]
    [InlineData("""{"temperature": -1}""", "generation_config.json: temperature: found -1, expected a number from 0 to 2")]
    [InlineData("""{"top_p": 1.5}""", "generation_config.json: top_p: found 1.5, expected a number above 0 and at most 1")]
    [InlineData("""{"top_k": "x"}""", "generation_config.json: top_k: found \"x\", expected a whole number from 0")]
    public void Sampling_OutOfRange_IsNamed(string json, string expected)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-3", "hf"));
        File.WriteAllText(folder["generation_config.json"], json);
        Assert.Contains(expected, CheckpointReading.Refusal(folder.Path));
    }
}
