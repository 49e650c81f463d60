#!/bin/sh
# onDefineDomain for KubeVirt's sidecar-shim: called with --vmi JSON --domain XML, prints the domain with the device that
# overlays/qemu has. QEMU's guest memory becomes one that can be shared with a back-end, whatever else is said of it.
set -eu
domain=$(printf '%s\n' "$4" | sed 's|<memoryBacking */>||')
case $domain in
  *'<memoryBacking>'*)
    rest=${domain#*<memoryBacking>}
    before=${domain%%<memoryBacking>*} memory=${rest%%</memoryBacking>*} after=${rest#*</memoryBacking>}
    ;;
  *) before=${domain%%<devices>*} memory='' after="<devices>${domain#*<devices>}" ;;
esac
memory=$(printf '%s\n' "$memory" | sed -e "s|<access mode=[\"']private[\"']|<access mode=\"shared\"|" \
  -e "s|<source type=[\"']anonymous[\"']|<source type=\"memfd\"|")
case $memory in *'<access '*) ;; *) memory="$memory<access mode=\"shared\"/>" ;; esac
case $memory in *'<source '*) ;; *) memory="$memory<source type=\"memfd\"/>" ;; esac

chardev='<qemu:arg value="-chardev"/><qemu:arg value="socket,id=media0,path=/run/vhost-user/media0.sock"/>'
device='<qemu:arg value="-device"/><qemu:arg value="vhost-user-test-device-pci,chardev=media0,virtio-id=26,num_vqs=2"/>'
case $domain in
  *'</qemu:commandline>'*) end='</qemu:commandline>' begin='' ;;
  *) end='</domain>' begin='<qemu:commandline>' ;;
esac
close=${begin:+</qemu:commandline></domain>}
printf '%s\n' "$before<memoryBacking>$memory</memoryBacking>$after" | sed -e "s|$end|$begin$chardev$device${close:-$end}|" \
  -e '/xmlns:qemu=/!s|<domain |<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0" |'
