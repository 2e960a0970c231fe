// Reads a QR code with the camera into a form, and sends it. The form works
// without: by a scanner that types, or by hand.
(() => {
  const form = document.querySelector('form[data-scan]');
  if (!form || !navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return;
  const input = form.querySelector('input[name=code]');
  const open = form.querySelector('[data-scan-open]');
  const panel = form.querySelector('[data-scan-panel]');
  const video = panel.querySelector('video');
  const close = panel.querySelector('[data-scan-close]');
  const status = form.querySelector('[data-scan-status]');
  let stream = null;
  let tries = 0; // one that was closed must not disturb the next

  const say = (text) => { status.textContent = text; };

  function stop() {
    tries++;
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    video.srcObject = null;
    panel.hidden = true;
    open.hidden = false;
  }

  // The browser's own reader if it has one; else a library, fetched only now.
  async function reader() {
    if ('BarcodeDetector' in window && (await BarcodeDetector.getSupportedFormats()).includes('qr_code')) {
      const own = new BarcodeDetector({ formats: ['qr_code'] });
      return async () => { const found = await own.detect(video); return found.length ? found[0].rawValue : ''; };
    }
    if (!window.ZXing) {
      await new Promise((done, failed) => {
        const script = document.createElement('script');
        script.src = form.dataset.scan;
        script.onload = done;
        script.onerror = () => failed(new Error('decoder'));
        document.head.append(script);
      });
    }
    const canvas = document.createElement('canvas');
    const draw = canvas.getContext('2d', { willReadFrequently: true });
    const codes = new ZXing.QRCodeReader();
    return async () => {
      const scale = Math.min(1, 960 / video.videoWidth);
      canvas.width = video.videoWidth * scale;
      canvas.height = video.videoHeight * scale;
      draw.drawImage(video, 0, 0, canvas.width, canvas.height);
      const picture = new ZXing.HTMLCanvasElementLuminanceSource(canvas);
      try {
        return codes.decode(new ZXing.BinaryBitmap(new ZXing.HybridBinarizer(picture))).getText();
      } catch (e) { // nothing in this picture, or not sharp enough
        if (e instanceof ZXing.Exception || e instanceof ZXing.NotFoundException || e instanceof ZXing.ChecksumException || e instanceof ZXing.FormatException) return '';
        throw e;
      }
    };
  }

  async function start() {
    const mine = ++tries;
    open.hidden = true;
    panel.hidden = false;
    close.focus();
    say('正在打开摄像头……');
    try {
      const got = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1280 } }, audio: false });
      if (mine !== tries) {
        for (const track of got.getTracks()) track.stop();
        return;
      }
      stream = got;
      video.srcObject = got;
      await video.play();
      const read = await reader();
      if (mine === tries) say('请把参保人的码放在画面中间。');
      while (mine === tries) {
        const code = video.videoWidth ? await read() : '';
        if (code && mine === tries) {
          stop();
          input.value = code;
          say('已读到，正在打开……');
          form.requestSubmit();
          return;
        }
        await new Promise((next) => setTimeout(next, 120));
      }
    } catch (e) {
      if (mine !== tries) return;
      stop();
      open.focus();
      say({
        NotAllowedError: '没有使用摄像头的权限：请在浏览器里允许，或用扫码枪、手工录入。',
        NotFoundError: '没有找到摄像头：请用扫码枪或手工录入。',
        NotReadableError: '摄像头被别的程序占用：请关掉它再试，或用扫码枪、手工录入。',
      }[e.name] || '摄像头暂时不能用：请用扫码枪或手工录入。');
    }
  }

  open.hidden = false;
  open.addEventListener('click', start);
  close.addEventListener('click', () => { stop(); say(''); input.focus(); });
  panel.addEventListener('keydown', (e) => { if (e.key === 'Escape') close.click(); });
  window.addEventListener('pagehide', stop);
})();
