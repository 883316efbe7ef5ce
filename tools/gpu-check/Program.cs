using Llama.Model;
using Llama.Model.Kernels;
using Llama.Model.Machine;
using Llama.Model.Weights;
using Llama.Tools.GpuCheck;
using Llama.Torch;
using Llama.Torch.Forward;
using Llama.Torch.Native;

// gpu-check [DEVICE [FOLDER [SHAPE]]]: what the Torch backend does on a device, as a table in Markdown.
string device = args.Length > 0 ? args[0] : "cuda:0";
string? libTorch = args.Length > 1 ? args[1] : null;
string shapeName = args.Length > 2 ? args[2] : "8b";
if (args.Length > 3 || !Shapes.ByName.TryGetValue(shapeName, out ModelConfig? shape))
{
    Console.Error.WriteLine(
        $"usage: gpu-check [cuda:0|cpu [FOLDER [{string.Join('|', Shapes.ByName.Keys)}]]]; FOLDER has libtorch, as torch/lib of a PyTorch {LibTorch.Version} installation does");
    return 2;
}

try
{
    LibTorch.Load(AppContext.BaseDirectory, libTorch);
    TorchDevice opened = TorchDevice.Open(device, Environment.ProcessorCount, AppContext.BaseDirectory);
    Place place = opened.Place;
    Console.WriteLine($"{opened.Name}, libtorch {LibTorch.LoadedVersion ?? LibTorch.Version}, passes of {place.Rows} rows, {place.Operations.Name}");
    Console.WriteLine();
    Console.WriteLine("| check | result |");
    Console.WriteLine("| --- | --- |");
    bool passed = true;
    await OwnThread.Start("checks", () =>
    {
        place.EnterThread();
        var golden = new FixtureChecks(Path.Combine(AppContext.BaseDirectory, "fixture"), place);
        passed &= Report("golden fixture, f32: error ÷ spread, at most 1e-5", golden.Error(ElementType.F32), 1e-5);
        passed &= Report("golden fixture, bf16: error ÷ spread, at most 2e-2", golden.Error(ElementType.BF16), 2e-2);
        foreach (ElementType type in (ElementType[])[ElementType.F32, ElementType.BF16])
        {
            bool same = SelfTest.Holds(shape, place, type, ElementType.F16);
            Console.WriteLine($"| self-test of bits, {shapeName} widths, {type} | {(same ? "same bits" : "bits differ: same steps only")} |");
            bool recovered = golden.RecoversWithTheSameBits(type);
            Console.WriteLine($"| second of two ranges lost and rebuilt, {type} | {(recovered ? "same bits" : "bits differ")} |");
            passed &= recovered == same || recovered;
        }
    });
    MachineRates rates = await opened.MeasureAsync();
    Console.WriteLine($"| memory | {rates.BytesPerSecond / 1e9:0} GB/s |");
    Console.WriteLine($"| products | {rates.OperationsPerSecond / 1e12:0.0} TFLOP/s |");
    await OwnThread.Start("speed", () =>
    {
        place.EnterThread();
        DecodeSpeed.Report(shapeName, shape, place, rates);
    });
    return passed ? 0 : 1;
}
catch (Exception e) when (e is IOException or System.Runtime.InteropServices.ExternalException)
{
    Console.Error.WriteLine($"gpu-check: {e.Message}");
    return 1;
}

static bool Report(string check, double error, double most)
{
    Console.WriteLine($"| {check} | {error:E1}{(error <= most ? "" : ", too much")} |");
    return error <= most;
}
