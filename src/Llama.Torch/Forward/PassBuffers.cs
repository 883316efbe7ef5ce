using Llama.Model;
using Llama.Model.Layers;
using Llama.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>
/// What a pass is told, in memory that is made once: written on the host, sent to the device in two copies, and seen there through views, which are
/// made anew only when their shapes change. On a processor both are the same memory. On a GPU the host's is pinned and nothing waits for a copy, so
/// it is written again, and what was fetched read, only after <see cref="Wait"/>.
/// </summary>
internal sealed unsafe class PassBuffers : IDisposable
{
    /// <summary>
    /// Where the tokens are of one sequence, its blocks are padded to so many: its attention is one product, whose shape then changes with every 512
    /// positions only.
    /// </summary>
    private const int WholeBlocks = 32;

    private readonly Place place;
    private readonly int dim;
    private readonly int pairs;
    private readonly long positionBytes;
    private readonly Tensor hostFloats;
    private readonly Tensor deviceFloats;
    private readonly Tensor fetched;
    private readonly float* floats;
    private Tensor hostNumbers;
    private Tensor deviceNumbers;
    private long* numbers;
    private int rows;
    private int blocks;
    private bool whole;
    private bool inFlight;
    private Views? views;

    /// <summary>Makes buffers for a model.</summary>
    public PassBuffers(ModelConfig config, Place place)
    {
        this.place = place;
        dim = config.Dim;
        pairs = config.HeadDim / 2;
        positionBytes = 2L * config.KvDim * sizeof(float);
        hostFloats = place.AllocateHost(ScalarType.Float32, (long)place.MostRows * ((2 * pairs) + dim));
        deviceFloats = OnDevice(hostFloats);
        floats = (float*)TorchNative.Pointer(hostFloats);
        fetched = place.IsHost ? hostFloats : place.AllocateHost(ScalarType.Float32, (long)place.MostRows * dim);
        hostNumbers = place.AllocateHost(ScalarType.Int64, 1);
        deviceNumbers = OnDevice(hostNumbers);
    }

    /// <summary>Tokens of the pass.</summary>
    public int Count { get; private set; }

    /// <summary>How many of its rows sample.</summary>
    public int Sampling { get; private set; }

    /// <summary>Hidden states on the device, <c>[rows, dim]</c>.</summary>
    public Tensor Hidden => views!.Hidden;

    /// <summary>The tokens of all rows, <c>[rows]</c>: 0 beyond those of the pass.</summary>
    public Tensor Tokens => views!.Tokens;

    /// <summary>The rows that sample; 0 beyond them.</summary>
    public Tensor Sampled => views!.Sampled;

    /// <summary>Where the tokens are.</summary>
    public StepRows Rows => new(views!.Cosines, views.Sines, views.Positions, views.Blocks, TokensTogether);

    private int TokensTogether =>
        whole ? 0 : (int)Math.Clamp(place.GatherBytes / (blocks * Step.BlockTokens * positionBytes), 1, place.Rows);

    private long PositionsAt => rows;

    private long SampledAt => 2L * rows;

    private long BlocksAt => SampledAt + place.Rows;

    private long HiddenAt => 2L * rows * pairs;

    /// <summary>Begins a pass.</summary>
    /// <param name="tokens">Its tokens, at most as many as rows.</param>
    /// <param name="mostRows">Its rows.</param>
    /// <param name="mostBlocks">Blocks of the longest of their sequences.</param>
    public void Begin(int tokens, int mostRows, int mostBlocks)
    {
        Wait();
        (Count, rows, whole, Sampling) = (tokens, mostRows, mostRows > place.Rows, 0);
        blocks = whole ? (mostBlocks + WholeBlocks - 1) / WholeBlocks * WholeBlocks : mostBlocks;
        Reserve(BlocksAt + ((whole ? 1L : rows) * blocks));
        new Span<long>(numbers, (int)BlocksAt).Clear();
    }

    /// <summary>Says what a row is.</summary>
    /// <param name="row">Which row.</param>
    /// <param name="token">Its token.</param>
    /// <param name="position">The token's position.</param>
    /// <param name="table">Block table of its sequence.</param>
    public void Place(int row, int token, int position, ReadOnlySpan<int> table)
    {
        numbers[row] = token;
        numbers[PositionsAt + row] = position;
        if (whole && row < Count - 1) return;
        long* own = numbers + BlocksAt + (whole ? 0 : (long)row * blocks);

        // Blocks beyond the token's own are masked; its first one is there in any case, and is nobody else's.
        int seen = (position / Step.BlockTokens) + 1;
        for (int block = 0; block < blocks; block++) own[block] = table[block < seen ? block : 0];
    }

    /// <summary>Says that a token is sampled after a row.</summary>
    public void AddSampled(int row) => numbers[SampledAt + Sampling++] = row;

    /// <summary>Where the cosines of a row's angles go, <c>[headDim / 2]</c>.</summary>
    public float* Cosines(int row) => floats + ((long)row * pairs);

    /// <summary>Where the sines of a row's angles go, <c>[headDim / 2]</c>.</summary>
    public float* Sines(int row) => floats + ((long)(rows + row) * pairs);

    /// <summary>Sets the hidden states of the first rows.</summary>
    /// <param name="source"><c>[count, dim]</c>.</param>
    /// <param name="count">Rows.</param>
    public void SetHidden(float* source, int count)
    {
        long bytes = (long)count * dim * sizeof(float);
        Buffer.MemoryCopy(source, floats + HiddenAt, bytes, bytes);
    }

    /// <summary>Brings all of it to the device.</summary>
    /// <param name="withHidden">Whether hidden states are part of it.</param>
    public void Send(bool withHidden)
    {
        var shapes = new ViewShapes(rows, Count, blocks, withHidden);
        if (views?.Shapes != shapes)
        {
            DisposeViews();
            views = MakeViews(shapes);
        }

        if (place.IsHost) return;
        views.DeviceFloats.copy_(views.HostFloats, true);
        views.DeviceNumbers.copy_(views.HostNumbers, true);
        inFlight = true;
    }

    /// <summary>Brings hidden states to the host.</summary>
    /// <param name="result">On the device, single precision, as they lie in memory.</param>
    /// <param name="target">Receives the first of their elements.</param>
    /// <param name="count">How many.</param>
    public void FetchHidden(Tensor result, float* target, long count)
    {
        if (!place.IsHost)
        {
            Fetch(result, fetched, 0, count);
            Wait();
            result = fetched;
        }

        Buffer.MemoryCopy(TorchNative.Pointer(result), target, count * sizeof(float), count * sizeof(float));
    }

    /// <summary>Brings a result to a tensor on the host, where it is after <see cref="Wait"/>.</summary>
    /// <param name="result">A tensor on the device, single precision, as it lies in memory.</param>
    /// <param name="target">Host memory.</param>
    /// <param name="at">Where in it the result begins.</param>
    /// <param name="count">How many of the first elements.</param>
    public void Fetch(Tensor result, Tensor target, long at, long count)
    {
        if (place.IsHost)
        {
            Buffer.MemoryCopy(
                TorchNative.Pointer(result), (float*)TorchNative.Pointer(target) + at, count * sizeof(float), count * sizeof(float));
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        target.narrow(0, at, count).copy_(result.view(-1).narrow(0, 0, count), true);
        inFlight = true;
    }

    /// <summary>Waits for the copies that are in flight.</summary>
    public void Wait()
    {
        if (inFlight) place.Synchronize();
        inFlight = false;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Wait();
        DisposeViews();
        foreach (Tensor tensor in (ReadOnlySpan<Tensor>)[hostFloats, deviceFloats, fetched, hostNumbers, deviceNumbers]) tensor.Dispose();
    }

    private Views MakeViews(ViewShapes shapes)
    {
        using DisposeScope scope = NewDisposeScope();
        long sent = HiddenAt + (shapes.WithHidden ? (long)rows * dim : 0);
        long told = BlocksAt + ((whole ? 1L : Count) * blocks);
        var made = new Views(
            shapes,
            deviceNumbers.narrow(0, 0, rows),
            deviceFloats.narrow(0, 0, (long)Count * pairs).view(Count, 1, pairs),
            deviceFloats.narrow(0, (long)rows * pairs, (long)Count * pairs).view(Count, 1, pairs),
            deviceNumbers.narrow(0, PositionsAt, rows),
            deviceNumbers.narrow(0, BlocksAt, (whole ? 1L : Count) * blocks).view(-1, blocks),
            deviceNumbers.narrow(0, SampledAt, place.Rows),
            deviceFloats.narrow(0, HiddenAt, (long)rows * dim).view(rows, dim),
            hostFloats.narrow(0, 0, sent), deviceFloats.narrow(0, 0, sent), hostNumbers.narrow(0, 0, told), deviceNumbers.narrow(0, 0, told));
        foreach (Tensor view in made.All) view.MoveToOuterDisposeScope();
        return made;
    }

    /// <summary>Makes room for so many numbers.</summary>
    private void Reserve(long needed)
    {
        if (hostNumbers.NumberOfElements < needed)
        {
            DisposeViews();
            hostNumbers.Dispose();
            deviceNumbers.Dispose();
            hostNumbers = place.AllocateHost(ScalarType.Int64, needed * 2);
            deviceNumbers = OnDevice(hostNumbers);
        }

        numbers = (long*)TorchNative.Pointer(hostNumbers);
    }

    private Tensor OnDevice(Tensor host) => place.IsHost ? host : host.to(place.Device);

    private void DisposeViews()
    {
        if (views is null) return;
        foreach (Tensor view in views.All) view.Dispose();
        views = null;
    }

    private readonly record struct ViewShapes(int Rows, int Count, int Blocks, bool WithHidden);

    private sealed record Views(
        ViewShapes Shapes, Tensor Tokens, Tensor Cosines, Tensor Sines, Tensor Positions, Tensor Blocks, Tensor Sampled, Tensor Hidden,
        Tensor HostFloats, Tensor DeviceFloats, Tensor HostNumbers, Tensor DeviceNumbers)
    {
        public IReadOnlyList<Tensor> All { get; } =
            [Tokens, Cosines, Sines, Positions, Blocks, Sampled, Hidden, HostFloats, DeviceFloats, HostNumbers, DeviceNumbers];
    }
}
