using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Llama.Model;
using Llama.Model.Kernels;
using Llama.Model.Weights;

namespace Llama.Bench.Run;

/// <summary>A result in words or as JSON, beside the machine's limits.</summary>
/// <param name="config">The model.</param>
/// <param name="kvType">Type of its keys and values.</param>
/// <param name="threads">Compute threads.</param>
/// <param name="weightBytes">Bytes of weights that a step reads.</param>
/// <param name="limits">What the machine can do with these threads.</param>
internal sealed class RunReport(ModelConfig config, ElementType kvType, int threads, long weightBytes, MachineRates limits)
{
    /// <summary>The largest resident memory of this process so far, 10^6 bytes.</summary>
    public static double PeakMegabytes()
    {
        using var self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64 / 1e6;
    }

    /// <summary>A row of the table.</summary>
    public string Row(TestResult result)
    {
        string rate = string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Tokens / result.Median,9:N1} ({result.Tokens / result.Seconds.Max():N1} … {result.Tokens / result.Seconds.Min():N1})");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{threads,7}  {result.Test,-15}  {result.Depth,5}  {rate,-28}  {Gigabytes(result),6:N1}  {1e9 * Gigabytes(result) / limits.BytesPerSecond,8:P0}")
            + string.Create(
                CultureInfo.InvariantCulture, $"  {Gigaflops(result),8:N1}  {1e9 * Gigaflops(result) / limits.OperationsPerSecond,8:P0}");
    }

    /// <summary>One line of JSON.</summary>
    public string Json(TestResult result) => JsonSerializer.Serialize(
        new
        {
            threads,
            KvType = $"{kvType}",
            result.Test,
            result.Depth,
            result.Tokens,
            TokensPerSecond = result.Tokens / result.Median,
            result.Seconds,
            WeightBytes = weightBytes,
            GigabytesPerSecond = Gigabytes(result),
            GigaflopsPerSecond = Gigaflops(result),
            Limits = new { GigabytesPerSecond = limits.BytesPerSecond / 1e9, GigaflopsPerSecond = limits.OperationsPerSecond / 1e9 },
            Instructions = limits.Instructions,
            PeakMegabytes = PeakMegabytes(),
        },
        JsonSerializerOptions.Web);

    /// <summary>Weights read from memory, 10^9 bytes/s.</summary>
    private double Gigabytes(TestResult result) => (double)result.WeightPasses * weightBytes / result.Median / 1e9;

    /// <summary>
    /// Multiplications and additions with weights, 10^9/s; the output head and the last layer, its keys and values aside, count for sampled
    /// tokens only.
    /// </summary>
    private double Gigaflops(TestResult result)
    {
        double keysAndValues = 2.0 * config.KvDim * config.Dim;
        double every = ((double)config.LayerElements * (config.Layers - 1)) + keysAndValues;
        double sampled = config.LayerElements - keysAndValues + ((double)config.VocabSize * config.Dim);
        return 2 * ((every * result.Tokens) + (sampled * result.Sampled)) / result.Median / 1e9;
    }
}
