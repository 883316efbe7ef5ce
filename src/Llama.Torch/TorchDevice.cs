using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Machine;
using Llama.Model.Weights;
using Llama.Torch.Forward;
using Llama.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Llama.Torch;

/// <summary>A processor or a GPU that libtorch computes on.</summary>
public sealed class TorchDevice : IDevice
{
    /// <summary>Counts changes of the passes that change their results' bits.</summary>
    private const int Revision = 2;

    /// <summary>Rows of a pass on a processor.</summary>
    private const int HostRows = 32;

    /// <summary>Rows of a pass on a GPU, which multiplies as many in the time that reading the weights takes.</summary>
    private const int DeviceRows = 64;

    /// <summary>Ends a device's name whose passes have the rows of their shapes.</summary>
    private const string SameSteps = ":same-steps";

    /// <summary>What libtorch and CUDA take on a GPU beside tensors.</summary>
    private const long ReservedBytes = 2L << 30;

    private readonly long memoryBytes;

    private TorchDevice(Place place, string name, long memoryBytes)
    {
        Place = place;
        Name = name;
        this.memoryBytes = memoryBytes;
    }

    /// <summary>The GPU's name, or <c>cpu</c>.</summary>
    internal string Name { get; }

    /// <summary>Where and how it computes.</summary>
    internal Place Place { get; }

    /// <summary>Loads libtorch, once for the process, and opens a device.</summary>
    /// <param name="name"><c>cpu</c> or <c>cuda:N</c>; with <c>:same-steps</c> behind it passes have the rows of their shapes.</param>
    /// <param name="threads">Threads that it computes with on a processor.</param>
    /// <param name="folder">The plug-in's folder.</param>
    /// <exception cref="IOException">It cannot be used; the message says what to do.</exception>
    public static TorchDevice Open(string name, int threads, string folder)
    {
        ArgumentNullException.ThrowIfNull(name);
        LibTorch.Load(folder);
        try
        {
            return Open(name, threads, ScriptedOperations.Instance ?? (ILayerOperations)new SingleOperations());
        }
        catch (Exception e) when (e is ExternalException or TypeInitializationException or NotSupportedException)
        {
            throw new IOException($"libtorch does not start on {name}: {(e.InnerException ?? e).Message.Split('\n')[0]}", e);
        }
    }

    /// <summary>Opens a device, with libtorch loaded.</summary>
    internal static TorchDevice Open(string name, int threads, ILayerOperations operations)
    {
        bool repeatsShapes = name.EndsWith(SameSteps, StringComparison.Ordinal);
        if (repeatsShapes) name = name[..^SameSteps.Length];
        if (name == "cpu") return new TorchDevice(new Place(CPU, threads, HostRows, operations, repeatsShapes), "cpu", MachineMemory.Limit);
        if (!name.StartsWith("cuda:", StringComparison.Ordinal)
            || !int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int index))
            throw new IOException($"'{name}' is no device of the Torch backend; expected cpu or cuda:0, cuda:1, ...");
        (string gpu, long bytes) = CudaDriver.Describe(index);
        if (!LibTorch.HasCuda)
            throw new IOException($"This libtorch is for processors only; publish src/Llama.Torch with -p:TorchDevice=cuda to use {gpu}.");
        if (!cuda.is_available()) throw new IOException($"libtorch finds no GPU, and the driver has {gpu}: the driver is older than this libtorch needs; update it.");
        backends.cuda.matmul.allow_tf32 = false;
        backends.cuda.matmul.allow_fp16_reduced_precision_reduction = false;
        return new TorchDevice(
            new Place(new Device(DeviceType.CUDA, index), threads, DeviceRows, operations, repeatsShapes), $"{gpu.Replace(' ', '_')}", bytes - ReservedBytes);
    }

    /// <inheritdoc/>
    public DeviceOffer Offer(Checkpoint checkpoint, ElementType kvType)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ModelConfig config = checkpoint.Config;
        long kvElement = kvType.Bytes(config.KvDim);
        return new DeviceOffer
        {
            Profile = $"torch-{Revision}-{Name}-{Place.Operations.Name}-{Promise(checkpoint, kvType)}/{checkpoint.WeightName ?? checkpoint.WeightType.ToString()}/{kvType}",
            Threads = Place.Threads,
            RepeatsShapes = Place.RepeatsShapes,
            WeightElementBytes = Place.ComputedType(checkpoint.WeightType).BlockBytes(),
            MemoryBytes = memoryBytes,
            MemoryName = Place.IsHost ? MachineMemory.Name : $"{MachineMemory.Name}/{Place.Device}",
            KvBlockBytes = 2L * Step.BlockTokens * kvElement,
            LogBlockBytes = HiddenStateLog.BlockBytes(config.Dim),
            ActivationBytes = ActivationBytes(config),
        };
    }

    /// <inheritdoc/>
    public async Task<MachineRates> MeasureAsync()
    {
        if (Place.IsHost) return await MachineRates.MeasureQuicklyAsync(Place.Threads, null).ConfigureAwait(false);
        MachineRates? rates = null;
        await OwnThread.Start("rates", () => rates = Measure()).ConfigureAwait(false);
        return rates!;
    }

    /// <inheritdoc/>
    public ILayerRange Load(
        Checkpoint checkpoint, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, IReadOnlyList<int> logs)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(logs);
        return TorchLayerRange.Load(checkpoint, Place, firstLayer, endLayer, kvType, kvBlocks, logs);
    }

    /// <summary>What a pipeline of such devices promises: see docs/torch.md.</summary>
    private string Promise(Checkpoint checkpoint, ElementType kvType)
    {
        bool holds = false;
        Place.TypeOf(kvType);
        OwnThread.Start("self-test", () =>
        {
            Place.EnterThread();
            holds = SelfTest.Holds(checkpoint.Config, Place, checkpoint.WeightType, kvType);
        }).GetAwaiter().GetResult();
        return !holds ? "no-promise" : Place.RepeatsShapes ? "same-steps" : "same-bits";
    }

    /// <summary>
    /// A layer's results of a whole pass, the keys and values that are gathered at once with the masks and scores, and the logits. In passes of one
    /// sequence a mask of the whole context in addition.
    /// </summary>
    private long ActivationBytes(ModelConfig config)
    {
        long aRow = (6L * config.Dim) + (2L * config.QueryDim) + (4L * config.KvDim) + (3L * config.HiddenDim);
        long mask = Place.RepeatsShapes ? (long)Place.MostRows * config.ContextLength * sizeof(float) : 0;
        return (Place.MostRows * aRow * sizeof(float)) + (2L * Place.Rows * config.VocabSize * sizeof(float)) + (2 * Place.GatherBytes) + mask;
    }

    /// <summary>Reads a large tensor, and multiplies matrices of BF16 as large as those of a model.</summary>
    private MachineRates Measure()
    {
        const long Elements = 1L << 28;
        const int Width = 8192;
        using IDisposable mode = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        Tensor read = zeros(Elements, dtype: ScalarType.Float32, device: Place.Device);
        Tensor matrix = zeros(Width, Width, dtype: ScalarType.BFloat16, device: Place.Device);
        return new MachineRates(
            Elements * sizeof(float) / Seconds(() => read.sum()), 2.0 * Width * Width * Width / Seconds(() => matrix.matmul(matrix)));
    }

    private double Seconds(Func<Tensor> work)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            cuda.synchronize(Place.Device);
            long start = Stopwatch.GetTimestamp();
            work().Dispose();
            cuda.synchronize(Place.Device);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }
}
